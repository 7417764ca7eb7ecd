//! Versions of APIs: their order of preference (`k8s.io/apimachinery/pkg/version`), and what deprecated ones say.

use super::{list, text};
use serde_json::Value;
use std::cmp::Ordering;

/// Major version, stability (`alpha` 0, `beta` 1, stable 2), minor version.
fn parts(version: &str) -> Option<(u64, u8, u64)> {
    let rest = version.strip_prefix('v')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = |digits: &str| (!digits.is_empty() && !digits.starts_with('0')).then(|| digits.parse().ok()).flatten();
    let major = number(&rest[..end])?;
    let rest = &rest[end..];
    if rest.is_empty() {
        return Some((major, 2, 0));
    }
    let (stability, minor) = match rest.strip_prefix("alpha") {
        Some(minor) => (0, minor),
        None => (1, rest.strip_prefix("beta")?),
    };
    Some((major, stability, number(minor)?))
}

/// `CompareKubeAwareVersionStrings`, the preferred version first: stable before beta before alpha, higher numbers first;
/// what is no such version comes last, in alphabetical order.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    match (parts(a), parts(b)) {
        (Some((major_a, stability_a, minor_a)), Some((major_b, stability_b, minor_b))) => {
            (stability_b, major_b, minor_b).cmp(&(stability_a, major_a, minor_a))
        }
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// What every answer of a deprecated version warns of.
pub(super) fn deprecation_warning(spec: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(own) = version.get("deprecationWarning").and_then(Value::as_str) {
        return Some(own.to_owned());
    }
    let (group, kind) = (text(spec, "group"), text(&spec["names"], "kind"));
    let mut others: Vec<&str> = list(spec, "versions")
        .filter(|other| other["served"] == true && other["deprecated"] != true)
        .map(|other| text(other, "name"))
        .collect();
    others.sort_by(|a, b| compare_versions(a, b));
    let mut words = format!("{group}/{} {kind} is deprecated", text(version, "name"));
    if let Some(preferred) = others.first() {
        words.push_str(&format!("; use {group}/{preferred} {kind}"));
    }
    Some(words)
}
