//! Taking away what an applier no longer speaks of: a field goes when its last configuration had it, the new one has
//! not, and nobody else owns it. What nobody owns (defaults) stays.

use super::typed::{Shape, Typed, list_element};
use crate::fieldset::{Node, PathElement, Set};
use serde_json::Value;

/// `merged` without the fields of `last` that are not in `owned`, the union of all managers' sets with the new
/// configuration among them.
pub(super) fn prune(typed: Typed<'_>, merged: Value, last: &Set, owned: &Set) -> Value {
    static NOTHING: Set = Set::new();
    let shape = typed.shape(&merged);
    let goes = |element: &PathElement, named: bool| {
        // A field that its type names counts as a member when something below it is.
        let member = |node: &Node| node.member || (named && !node.children.is_empty());
        last.get(element.as_str()).is_some_and(member) && !owned.get(element.as_str()).is_some_and(member)
    };
    let below = |element: &PathElement| -> Option<(&Set, &Set)> {
        let last = &last.get(element.as_str())?.children;
        let owned = owned.get(element.as_str()).map_or(&NOTHING, |node| &node.children);
        (!last.is_empty()).then_some((last, owned))
    };
    match (shape, merged) {
        (Shape::Map, Value::Object(map)) if !map.is_empty() => {
            let mut kept = serde_json::Map::new();
            for (key, value) in map {
                let (child, named) = typed.child_or_untyped(&key);
                let element = PathElement::field(&key);
                if goes(&element, named) {
                    continue;
                }
                let value = match below(&element) {
                    Some((last, owned)) => prune(child, value, last, owned),
                    None => value,
                };
                kept.insert(key, value);
            }
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        (Shape::List(items, list_type), Value::Array(list)) if !list.is_empty() => {
            let mut kept = Vec::with_capacity(list.len());
            for item in list {
                let Ok(element) = list_element(items, list_type, &item) else {
                    kept.push(item);
                    continue;
                };
                if goes(&element, false) {
                    continue;
                }
                kept.push(match below(&element) {
                    Some((last, owned)) => prune(items, item, last, owned),
                    None => item,
                });
            }
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        (_, other) => other,
    }
}
