//! Sets of field paths: what a manager owns of an object (upstream's `fieldpath.Set`, on the wire `FieldsV1`).
//!
//! A set is a trie. Each step of a path is kept in the form that the wire has: `f:name` for a field, `k:{…}` for the
//! element of a list by its keys, `v:…` for an element of a set, `i:N` for a position. A path may be a member, have
//! members below it, or both (`.` on the wire). Operations are those that server-side apply needs, and no more. What
//! not: nothing here knows of types or managers (that is [`crate::apply`]).

mod display;
mod ops;
mod wire;

pub use display::display_path;
pub(crate) use display::push_element;
pub use wire::{FieldSetError, MAX_DEPTH};

use serde_json::{Map, Value};
use std::borrow::Borrow;

/// One step of a path, in its wire form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathElement(String);

impl PathElement {
    /// The field `name` of a struct or map.
    pub fn field(name: &str) -> Self {
        let mut text = String::with_capacity(name.len() + 2);
        text.push_str("f:");
        text.push_str(name);
        Self(text)
    }

    /// The list element with these keys (sorted by name, as `serde_json` keeps them).
    pub fn key(keys: &Map<String, Value>) -> Self {
        let mut text = String::from("k:{");
        for (index, (name, value)) in keys.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            push_json_string(&mut text, name);
            text.push(':');
            push_json(&mut text, value);
        }
        text.push('}');
        Self(text)
    }

    /// The list element with the keys `name` → `value`, which must come sorted by name.
    pub fn sorted_key<'a>(keys: impl Iterator<Item = (&'a str, &'a Value)>) -> Self {
        let mut text = String::from("k:{");
        for (index, (name, value)) in keys.enumerate() {
            if index > 0 {
                text.push(',');
            }
            push_json_string(&mut text, name);
            text.push(':');
            push_json(&mut text, value);
        }
        text.push('}');
        Self(text)
    }

    /// The element `value` of a list that is a set.
    pub fn value(value: &Value) -> Self {
        let mut text = String::from("v:");
        push_json(&mut text, value);
        Self(text)
    }

    /// The position `index` of a list.
    pub fn index(index: usize) -> Self {
        Self(format!("i:{index}"))
    }

    /// The wire form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, where this is a field.
    pub fn field_name(&self) -> Option<&str> {
        self.0.strip_prefix("f:")
    }
}

impl Borrow<str> for PathElement {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn push_json(text: &mut String, value: &Value) {
    match value {
        Value::String(string) => push_json_string(text, string),
        other => text.push_str(&other.to_string()),
    }
}

/// A JSON string as Go writes it into path elements; plain names, which nearly all are, take the short way.
fn push_json_string(text: &mut String, string: &str) {
    if string.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\' && byte.is_ascii()) {
        text.push('"');
        text.push_str(string);
        text.push('"');
    } else {
        text.push_str(&Value::from(string).to_string());
    }
}

/// A path from the root of an object.
pub type Path = Vec<PathElement>;

/// What stands at one element: whether the path up to here is a member, and what is below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) member: bool,
    pub(crate) children: Set,
}

/// A set of paths. Invariant: no node is both without membership and without children, so an empty set has no nodes,
/// and two equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Sorted by element.
    pub(crate) nodes: Vec<(PathElement, Node)>,
}

impl Set {
    /// The set without members.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// The set of the given paths of plain fields, as in `[["metadata", "name"], ["status"]]`.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            let path: Path = path.iter().map(|name| PathElement::field(name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds a path. The empty path is never a member.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let node = self.node_mut(first);
        if rest.is_empty() { node.member = true } else { node.children.insert(rest) }
    }

    /// Whether `path` itself is a member.
    pub fn has(&self, path: &[PathElement]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return false;
        };
        let Some(node) = self.get(first.as_str()) else {
            return false;
        };
        if rest.is_empty() { node.member } else { node.children.has(rest) }
    }

    /// All members, in upstream's order: at each level first the members, then what is below the elements.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        display::collect(self, &mut Vec::new(), &mut paths);
        paths
    }

    pub(crate) fn get(&self, element: &str) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|(here, _)| here.as_str().cmp(element)).ok()?;
        Some(&self.nodes[at].1)
    }

    /// Adds a node in its place, or merges it into the one that is there. Without membership and children it is
    /// dropped. Sorted input, which is the usual one, is appended.
    pub(crate) fn put(&mut self, element: PathElement, node: Node) {
        if !node.member && node.children.is_empty() {
            return;
        }
        if self.nodes.last().is_none_or(|(last, _)| *last < element) {
            self.nodes.push((element, node));
            return;
        }
        match self.nodes.binary_search_by(|(here, _)| here.cmp(&element)) {
            Ok(at) => {
                let here = &mut self.nodes[at].1;
                here.member |= node.member;
                here.children = std::mem::take(&mut here.children).union(node.children);
            }
            Err(at) => self.nodes.insert(at, (element, node)),
        }
    }

    fn node_mut(&mut self, element: &PathElement) -> &mut Node {
        let at = match self.nodes.binary_search_by(|(here, _)| here.cmp(element)) {
            Ok(at) => at,
            Err(at) => {
                self.nodes.insert(at, (element.clone(), Node::default()));
                at
            }
        };
        &mut self.nodes[at].1
    }
}

#[cfg(test)]
mod tests;
