//! What cells of many kinds are made of.

use super::age::since;
use crate::At;
use jiff::Timestamp;
use serde_json::Value;

/// The object's name.
pub(super) fn name(object: &Value) -> Value {
    object["metadata"]["name"].as_str().unwrap_or_default().into()
}

/// How old the object is.
pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    since(object["metadata"]["creationTimestamp"].as_str().unwrap_or_default(), now).into()
}

/// A string, or what stands in its place when it is empty.
pub(super) fn or<'a>(text: &'a str, empty: &'a str) -> &'a str {
    if text.is_empty() { empty } else { text }
}

/// A string or `<none>`.
pub(super) fn or_none(text: &str) -> Value {
    or(text, "<none>").into()
}

/// A string or `<unset>`.
pub(super) fn or_unset(text: &str) -> Value {
    or(text, "<unset>").into()
}

/// An integer; 0 when missing.
pub(super) fn int(at: &At) -> Value {
    at.int().unwrap_or(0).into()
}

/// `a=1,b=2` or `<none>`.
pub(super) fn labels(map: &At) -> String {
    let pairs: Vec<String> = map.entries().map(|(key, value)| format!("{key}={}", value.str())).collect();
    or(&pairs.join(","), "<none>").to_owned()
}

/// A label selector as text, sorted by key, or `<none>`.
pub(super) fn selector(selector: &At) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for (key, value) in selector.at("matchLabels").entries() {
        parts.push((key.to_owned(), format!("{key}={}", value.str())));
    }
    for expression in selector.at("matchExpressions").items() {
        let key = expression.at("key").str();
        let mut values: Vec<&str> = expression.at("values").strings().collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match expression.at("operator").str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return "<error>".to_owned(),
        };
        parts.push((key.to_owned(), text));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    let texts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    or(&texts.join(","), "<none>").to_owned()
}

/// Names and images of the app containers of a pod spec.
pub(super) fn containers(spec: &At) -> (String, String) {
    let list = |field: &str| {
        let all: Vec<&str> = spec.at("containers").items().map(|c| c.at(field).str()).collect();
        all.join(",")
    };
    (list("name"), list("image"))
}

/// The first `most` entries, and how many are left out: `a,b,c + 2 more...`.
pub(super) fn limited(entries: &[String], most: usize, separator: &str) -> String {
    let shown = entries[..entries.len().min(most)].join(separator);
    match entries.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// An integer or a string, as `maxUnavailable` is.
pub(super) fn int_or_string(at: &At) -> Option<String> {
    match at.value()? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}
