//! What changed between two objects, as field sets: upstream's `TypedValue.Compare`.

use super::typed::{Shape, Typed, list_element};
use crate::fieldset::{Node, PathElement, Set};
use crate::schema::ListType;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Which paths the second of two objects has more, has with another value, and has no more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

/// The same below one path.
#[derive(Default)]
struct Delta {
    added: Node,
    modified: Node,
    removed: Node,
}

impl Delta {
    fn is_empty(&self) -> bool {
        [&self.added, &self.modified, &self.removed].iter().all(|node| !node.member && node.children.is_empty())
    }

    fn union(self, other: Self) -> Self {
        let union = |a: Node, b: Node| Node { member: a.member || b.member, children: a.children.union(b.children) };
        Self {
            added: union(self.added, other.added),
            modified: union(self.modified, other.modified),
            removed: union(self.removed, other.removed),
        }
    }

    /// Sets what is below `element`. Mostly only one of the three has anything, so that the element is not copied.
    fn put(&mut self, element: PathElement, below: Self) {
        let is_something = |node: &Node| node.member || !node.children.is_empty();
        match [&below.added, &below.modified, &below.removed].map(is_something) {
            [_, false, false] => self.added.children.put(element, below.added),
            [false, _, false] => self.modified.children.put(element, below.modified),
            [false, false, _] => self.removed.children.put(element, below.removed),
            _ => {
                self.added.children.put(element.clone(), below.added);
                self.modified.children.put(element.clone(), below.modified);
                self.removed.children.put(element, below.removed);
            }
        }
    }
}

/// Compares two values of one type.
pub(super) fn compare(typed: Typed<'_>, old: &Value, new: &Value) -> Comparison {
    let delta = walk(typed, Some(old), Some(new));
    Comparison { added: delta.added.children, modified: delta.modified.children, removed: delta.removed.children }
}

fn walk(typed: Typed<'_>, old: Option<&Value>, new: Option<&Value>) -> Delta {
    let Some(guide) = new.filter(|value| !value.is_null()).or(old) else {
        return leaf(old, new);
    };
    let mut delta = by_shape(typed, typed.shape(guide), old, new);
    // What has no type may become something else: then both shapes have a say.
    if let (Some(was), Some(is)) = (old, new)
        && was.is_object() != is.is_object()
        && !was.is_null()
        && !is.is_null()
        && std::mem::discriminant(&typed.shape(was)) != std::mem::discriminant(&typed.shape(is))
    {
        delta = by_shape(typed, typed.shape(was), old, new).union(delta);
    }
    delta
}

fn by_shape(typed: Typed<'_>, shape: Shape<'_>, old: Option<&Value>, new: Option<&Value>) -> Delta {
    let mut delta = match shape {
        Shape::Map => {
            let (was, is) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            if was.is_none_or(Map::is_empty) && is.is_none_or(Map::is_empty) {
                return leaf(old, new);
            }
            walk_map(typed, was, is)
        }
        Shape::List(items, list_type) => {
            let was = old.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let is = new.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if was.is_empty() && is.is_empty() {
                return leaf(old, new);
            }
            walk_list(items, list_type, was, is)
        }
        Shape::Leaf => return leaf(old, new),
    };
    delta.added.member |= old.is_none();
    delta.removed.member |= new.is_none();
    delta
}

fn leaf(old: Option<&Value>, new: Option<&Value>) -> Delta {
    let mut delta = Delta::default();
    match (old, new) {
        (None, _) => delta.added.member = true,
        (_, None) => delta.removed.member = true,
        (Some(old), Some(new)) => delta.modified.member = old != new,
    }
    delta
}

fn walk_map(typed: Typed<'_>, old: Option<&Map<String, Value>>, new: Option<&Map<String, Value>>) -> Delta {
    let mut delta = Delta::default();
    let mut visit = |key: &str, was: Option<&Value>, is: Option<&Value>| {
        let below = walk(typed.child_or_untyped(key).0, was, is);
        if !below.is_empty() {
            delta.put(PathElement::field(key), below);
        }
    };
    for (key, is) in new.into_iter().flatten() {
        visit(key, old.and_then(|old| old.get(key)), Some(is));
    }
    for (key, was) in old.into_iter().flatten() {
        if !new.is_some_and(|new| new.contains_key(key)) {
            visit(key, Some(was), None);
        }
    }
    delta
}

fn walk_list(items: Typed<'_>, list_type: &ListType, old: &[Value], new: &[Value]) -> Delta {
    if old == new {
        return Delta::default();
    }
    let mut pairs: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
    // Items without a usable key belong to nobody.
    let element = |item| list_element(items, list_type, item).ok();
    for item in old {
        if let Some(element) = element(item) {
            pairs.entry(element).or_default().0.push(item);
        }
    }
    for item in new {
        if let Some(element) = element(item) {
            pairs.entry(element).or_default().1.push(item);
        }
    }
    let mut delta = Delta::default();
    for (element, (was, is)) in pairs {
        let below = match (was.as_slice(), is.as_slice()) {
            ([] | [_], [] | [_]) => walk(items, was.first().copied(), is.first().copied()),
            // Duplicates are one leaf together.
            ([_, _, ..], [_, _, ..]) => {
                let mut below = Delta::default();
                below.modified.member = was != is;
                below
            }
            ([_, _, ..], _) => {
                let mut below = is.first().map(|first| walk(items, None, Some(first))).unwrap_or_default();
                below.removed.member = true;
                below
            }
            (_, _) => {
                let mut below = was.first().map(|first| walk(items, Some(first), None)).unwrap_or_default();
                below.added.member = true;
                below
            }
        };
        delta.put(element, below);
    }
    delta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::structural;
    use serde_json::json;

    /// As an apiextensions-apiserver 1.36.4 answered.
    #[test]
    fn what_has_no_type_may_become_something_else() {
        let any = json!({"x-kubernetes-preserve-unknown-fields": true});
        let schema = structural(&json!({"type": "object", "properties": {"any": any}})).unwrap();
        let compared = |old: Value, new: Value| {
            let found = compare(Typed::root(&schema), &json!({"any": old}), &json!({"any": new}));
            [found.added, found.modified, found.removed].map(Set::into_value)
        };
        let (whole, part) = (json!({"f:any": {}}), json!({"f:any": {"f:v": {}}}));
        assert_eq!(compared(json!({"v": 1}), json!(1)), [json!({}), whole.clone(), part.clone()]);
        assert_eq!(compared(json!(1), json!({"v": 1})), [part.clone(), whole.clone(), json!({})]);
        assert_eq!(compared(json!([1]), json!({"v": 1})), [part, whole, json!({})]);
        assert_eq!(compared(json!({"v": 1}), json!({"v": 1})), [json!({}), json!({}), json!({})]);
    }
}
