//! `FieldsV1`: the trie as JSON. A leaf is `{"f:name": {}}`; a member with members below has a `.` among them.

use super::{Node, PathElement, Set};
use serde_json::{Map, Value};

/// How deep a set may be. Objects are decoded with less depth than that, and recursion stays bounded.
pub const MAX_DEPTH: usize = 128;

/// Why a `fieldsV1` is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldSetError {
    /// A value that should be a map.
    #[error("expected a map of field paths")]
    NotAMap,
    /// A key without one of the known prefixes, or with a bad rest.
    #[error("unrecognized path element {0:?}")]
    BadElement(String),
    /// More than [`MAX_DEPTH`] levels.
    #[error("field paths are nested too deeply")]
    TooDeep,
}

impl Set {
    /// The wire form. Strings move out of the set, so this costs little more than the maps.
    pub fn into_value(self) -> Value {
        let mut map = Map::new();
        for (element, node) in self.nodes {
            let mut below = node.children.into_value();
            if let Value::Object(below) = &mut below
                && node.member
                && !below.is_empty()
            {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(element.0, below);
        }
        Value::Object(map)
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`FieldSetError`] for anything that upstream would not read either.
    pub fn from_value(value: &Value) -> Result<Self, FieldSetError> {
        read(value, MAX_DEPTH).map(|(set, _)| set)
    }
}

/// The set below a node, and whether the node itself is a member.
fn read(value: &Value, depth_left: usize) -> Result<(Set, bool), FieldSetError> {
    let Value::Object(map) = value else {
        return Err(FieldSetError::NotAMap);
    };
    let depth_left = depth_left.checked_sub(1).ok_or(FieldSetError::TooDeep)?;
    let mut set = Set {
        nodes: Vec::with_capacity(map.len()),
    };
    let mut member = false;
    for (key, below) in map {
        if key == "." {
            member = true;
            continue;
        }
        let element = parse_element(key)?;
        let (children, dotted) = read(below, depth_left)?;
        let leaf = children.is_empty();
        set.put(
            element,
            Node {
                member: dotted || leaf,
                children,
            },
        );
    }
    Ok((set, member))
}

/// An element from its wire form, in the canonical spelling (clients may write keys with spaces or in another order).
fn parse_element(text: &str) -> Result<PathElement, FieldSetError> {
    let bad = || FieldSetError::BadElement(text.to_owned());
    match text.split_at_checked(2).ok_or_else(bad)? {
        ("f:", _) => Ok(PathElement(text.to_owned())),
        ("i:", rest) => rest.parse().map(PathElement::index).map_err(|_| bad()),
        ("k:", rest) => match serde_json::from_str(rest) {
            Ok(Value::Object(keys)) if !keys.is_empty() => Ok(PathElement::key(&keys)),
            _ => Err(bad()),
        },
        ("v:", rest) => serde_json::from_str(rest)
            .map(|value| PathElement::value(&value))
            .map_err(|_| bad()),
        _ => Err(bad()),
    }
}
