//! Semantic versions (semver.org 2.0.0): how they are read, and which comes first.

use std::cmp::Ordering;

/// Major, minor, patch, pre-release.
type Version = (u64, u64, u64, String);

/// Reads a version. `normalize`: a `v` before it, leading zeros and missing parts are allowed.
pub(super) fn parse(text: &str, normalize: bool) -> Option<Version> {
    let text = if normalize { text.strip_prefix('v').unwrap_or(text) } else { text };
    let (text, build) = text.split_once('+').map_or((text, None), |(version, build)| (version, Some(build)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let identifiers = |text: &str, numbers_are_plain: bool| {
        text.split('.').all(|part| {
            let plain = part.len() == 1 || !part.starts_with('0') || !part.bytes().all(|b| b.is_ascii_digit());
            let valid = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            !part.is_empty() && valid && (plain || !numbers_are_plain)
        })
    };
    if pre.is_some_and(|pre| !identifiers(pre, true)) || build.is_some_and(|build| !identifiers(build, false)) {
        return None;
    }
    let mut numbers: Vec<u64> = Vec::new();
    for part in core.split('.') {
        let leading = part.len() > 1 && part.starts_with('0');
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) || (leading && !normalize) {
            return None;
        }
        numbers.push(part.parse().ok()?);
    }
    while normalize && numbers.len() < 3 {
        numbers.push(0);
    }
    match numbers.as_slice() {
        [major, minor, patch] => Some((*major, *minor, *patch, pre.unwrap_or_default().to_owned())),
        _ => None,
    }
}

/// Precedence of semantic versions: a pre-release comes before its release.
pub(crate) fn compare(a: &Version, b: &Version) -> Ordering {
    (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)).then_with(|| match (a.3.is_empty(), b.3.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let (mut left, mut right) = (a.3.split('.'), b.3.split('.'));
            loop {
                let order = match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => Ordering::Less,
                    (Some(_), None) => Ordering::Greater,
                    (Some(x), Some(y)) => match (x.parse::<u64>(), y.parse::<u64>()) {
                        (Ok(x), Ok(y)) => x.cmp(&y),
                        (Ok(_), Err(_)) => Ordering::Less,
                        (Err(_), Ok(_)) => Ordering::Greater,
                        (Err(_), Err(_)) => x.cmp(y),
                    },
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    })
}
