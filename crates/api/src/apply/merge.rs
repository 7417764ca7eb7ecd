//! Laying a configuration over an object: upstream's `TypedValue.Merge`. The configuration wins wherever it speaks.

use super::typed::{Shape, Typed, list_element};
use crate::fieldset::PathElement;
use crate::schema::ListType;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `live` with `config` laid over it.
pub(super) fn merge(typed: Typed<'_>, live: &Value, config: &Value) -> Value {
    walk(typed, Some(live), Some(config)).unwrap_or(Value::Null)
}

/// `None`: nothing is left of the value.
fn walk(typed: Typed<'_>, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    // A null on nothing stays a null: what the type makes of it is decided later.
    let Some(guide) = config.filter(|value| !value.is_null()).or(live) else { return config.cloned() };
    let whole = || config.or(live).cloned();
    match typed.shape(guide) {
        Shape::Leaf => whole(),
        Shape::Map => {
            let (was, want) = (live.and_then(Value::as_object), config.and_then(Value::as_object));
            if was.is_none_or(Map::is_empty) && want.is_none_or(Map::is_empty) {
                return whole();
            }
            let merged = walk_map(typed, was, want);
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        Shape::List(items, list_type) => {
            let was = live.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let want = config.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if was.is_empty() && want.is_empty() {
                return whole();
            }
            let merged = walk_list(items, list_type, was, want);
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
    }
}

fn walk_map(
    typed: Typed<'_>,
    live: Option<&Map<String, Value>>,
    config: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let mut merged = Map::new();
    for (key, was) in live.into_iter().flatten() {
        let want = config.and_then(|config| config.get(key));
        // What the configuration does not speak of stays as it is, without a walk.
        let value =
            if want.is_none() { Some(was.clone()) } else { walk(typed.child_or_untyped(key).0, Some(was), want) };
        merged.extend(value.map(|value| (key.clone(), value)));
    }
    for (key, want) in config.into_iter().flatten() {
        if !live.is_some_and(|live| live.contains_key(key)) {
            let value = walk(typed.child_or_untyped(key).0, None, Some(want));
            merged.extend(value.map(|value| (key.clone(), value)));
        }
    }
    merged
}

/// Elements that only the object has keep their place before the next element that both have; for the elements of the
/// configuration its own order holds.
fn walk_list(items: Typed<'_>, list_type: &ListType, live: &[Value], config: &[Value]) -> Vec<Value> {
    let indexed = |list: &'_ [Value]| -> Vec<(usize, PathElement)> {
        let elements = list.iter().enumerate();
        elements.filter_map(|(at, item)| Some((at, list_element(items, list_type, item).ok()?))).collect()
    };
    let (was, want) = (indexed(live), indexed(config));
    let by_element = |list: &[(usize, PathElement)]| -> BTreeMap<PathElement, usize> {
        list.iter().rev().map(|(at, element)| (element.clone(), *at)).collect()
    };
    let (live_at, config_at) = (by_element(&was), by_element(&want));
    let mut shared =
        want.iter().map(|(_, element)| element).filter(|element| live_at.contains_key(*element)).peekable();

    let mut merged = Vec::with_capacity(live.len().max(config.len()));
    let (mut left, mut right) = (was.iter().peekable(), want.iter().peekable());
    while left.peek().is_some() || right.peek().is_some() {
        if let Some((at, element)) = left.peek() {
            if !config_at.contains_key(element) {
                merged.push(live[*at].clone());
                left.next();
                continue;
            }
            // An element of both: it comes where the configuration has it. Skip it here, unless it is just the next.
            let next_is_this = right.peek().is_some_and(|(_, wanted)| wanted == element);
            if !next_is_this && (right.peek().is_none() || shared.peek().is_none_or(|next| *next != element)) {
                left.next();
                continue;
            }
            if next_is_this {
                left.next();
            }
        }
        let Some((at, element)) = right.next() else { continue };
        let was = live_at.get(element).map(|&at| &live[at]);
        merged.extend(walk(items, was, Some(&config[*at])));
        if shared.peek().is_some_and(|next| *next == element) {
            shared.next();
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(live: &str, config: &str, expected: Expect) {
        let list = |text: &str| text.chars().map(|c| Value::from(c.to_string())).collect::<Vec<_>>();
        let merged = walk_list(Typed::Untyped, &ListType::Set, &list(live), &list(config));
        let text: String = merged.iter().filter_map(Value::as_str).collect();
        expected.assert_eq(&text);
    }

    #[test]
    fn order_of_merged_lists() {
        check("abc", "", expect!["abc"]);
        check("", "abc", expect!["abc"]);
        check("abc", "abc", expect!["abc"]);
        check("abc", "cba", expect!["cba"]);
        check("ac", "abc", expect!["abc"]);
        check("abxc", "cd", expect!["abxcd"]);
        check("xaybz", "ba", expect!["xybza"]);
        check("xaybz", "qab", expect!["xqaybz"]);
        check("m", "em", expect!["em"]);
        check("aabb", "b", expect!["aab"]);
    }
}
