//! The fields that a configuration speaks of, and so claims: upstream's `TypedValue.ToFieldSet`.

use super::typed::{Shape, Typed, list_element};
use crate::fieldset::{Node, PathElement, Set};
use serde_json::Value;

/// All fields of `value`: leaves, elements of merged lists, keys of maps, and maps that are empty.
pub(super) fn fields_of(typed: Typed<'_>, value: &Value) -> Set {
    walk(typed, value).children
}

fn walk(typed: Typed<'_>, value: &Value) -> Node {
    match (typed.shape(value), value) {
        (Shape::Map, Value::Object(map)) => {
            let mut children = Set::new();
            for (key, value) in map {
                let (child, named) = typed.child_or_untyped(key);
                let mut node = walk(child, value);
                node.member |= !named || value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                children.put(PathElement::field(key), node);
            }
            Node { member: false, children }
        }
        (Shape::List(items, list_type), Value::Array(list)) => {
            let mut children = Set::new();
            let mut seen = Vec::with_capacity(list.len());
            for item in list {
                let Ok(element) = list_element(items, list_type, item) else {
                    continue;
                };
                // Of duplicates, only the element itself counts.
                let mut node = Node { member: true, children: Set::new() };
                if !seen.contains(&element) {
                    seen.push(element.clone());
                    node.children = walk(items, item).children;
                }
                children.put(element, node);
            }
            Node { member: false, children }
        }
        (Shape::Map | Shape::List(..), _) => Node::default(),
        (Shape::Leaf, _) => Node { member: true, children: Set::new() },
    }
}
