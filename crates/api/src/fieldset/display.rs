//! Paths as upstream prints them in messages: `.spec.containers[name="x"].image`, and the order they are listed in.

use super::{PathElement, Set};
use serde_json::Value;
use std::cmp::Ordering;

/// The path as text: `.spec.ports[port=80,protocol="TCP"].name`, `.metadata.finalizers[="a"]`, `.l[0]`.
pub fn display_path(path: &[PathElement]) -> String {
    let mut text = String::new();
    for element in path {
        push_element(&mut text, element);
    }
    text
}

/// One element as text; a field with its dot.
pub(crate) fn push_element(text: &mut String, element: &PathElement) {
    let raw = element.as_str();
    match raw.split_at_checked(2) {
        Some(("f:", name)) => {
            text.push('.');
            text.push_str(name);
        }
        Some(("k:", _)) => {
            text.push('[');
            for (index, (name, value)) in keys(raw).iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(name);
                text.push('=');
                text.push_str(&value.to_string());
            }
            text.push(']');
        }
        Some(("v:", value)) => {
            text.push_str("[=");
            text.push_str(value);
            text.push(']');
        }
        Some(("i:", index)) => {
            text.push('[');
            text.push_str(index);
            text.push(']');
        }
        _ => text.push_str(raw),
    }
}

/// The keys of a `k:` element, sorted by name.
pub(crate) fn keys(raw: &str) -> serde_json::Map<String, Value> {
    raw.strip_prefix("k:").and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// Collects all members below `set` in upstream's order.
pub(super) fn collect(set: &Set, prefix: &mut Vec<PathElement>, paths: &mut Vec<Vec<PathElement>>) {
    let mut nodes: Vec<_> = set.nodes.iter().collect();
    nodes.sort_by(|(a, _), (b, _)| compare_elements(a, b));
    for (element, node) in &nodes {
        if node.member {
            let mut path = prefix.clone();
            path.push(element.clone());
            paths.push(path);
        }
    }
    for (element, node) in &nodes {
        if !node.children.is_empty() {
            prefix.push(element.clone());
            collect(&node.children, prefix, paths);
            prefix.pop();
        }
    }
}

/// Upstream's order of elements: fields, then keys, values, positions; numbers by size, not by their digits.
fn compare_elements(a: &PathElement, b: &PathElement) -> Ordering {
    let rank = |element: &PathElement| match element.as_str().as_bytes().first() {
        Some(b'f') => 0,
        Some(b'k') => 1,
        Some(b'v') => 2,
        _ => 3,
    };
    rank(a).cmp(&rank(b)).then_with(|| match rank(a) {
        0 => a.cmp(b),
        1 => {
            let (a, b) = (keys(a.as_str()), keys(b.as_str()));
            let pairs = a.iter().zip(b.iter());
            let first = pairs.map(|((n, v), (m, w))| n.cmp(m).then_with(|| compare_values(v, w)));
            first.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
        _ => {
            let read = |e: &PathElement| serde_json::from_str(&e.as_str()[2..]).unwrap_or(Value::Null);
            compare_values(&read(a), &read(b))
        }
    })
}

fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(_), _) => Ordering::Less,
        (_, Value::Number(_)) => Ordering::Greater,
        _ => a.to_string().cmp(&b.to_string()),
    }
}
