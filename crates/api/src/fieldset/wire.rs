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
        Self::from_owned(value.clone())
    }

    /// The same; strings move into the set.
    ///
    /// # Errors
    /// As [`Set::from_value`].
    pub fn from_owned(value: Value) -> Result<Self, FieldSetError> {
        read(value, MAX_DEPTH).map(|(set, _)| set)
    }
}

impl Set {
    /// Whether a wire form can be read, without reading it; `true`: and every element has its canonical spelling.
    ///
    /// # Errors
    /// As [`Set::from_value`].
    pub fn check(value: &Value) -> Result<bool, FieldSetError> {
        check(value, MAX_DEPTH)
    }

    /// Whether any path of this set is in the wire form `value`, which is canonical.
    pub(crate) fn meets(&self, value: &Value) -> bool {
        let Value::Object(map) = value else { return false };
        self.nodes.iter().any(|(element, node)| {
            let Some(Value::Object(below)) = map.get(element.as_str()) else {
                return false;
            };
            let member = below.is_empty() || below.contains_key(".");
            (node.member && member) || (!node.children.is_empty() && node.children.meets(&map[element.as_str()]))
        })
    }
}

fn check(value: &Value, depth_left: usize) -> Result<bool, FieldSetError> {
    let Value::Object(map) = value else {
        return Err(FieldSetError::NotAMap);
    };
    let depth_left = depth_left.checked_sub(1).ok_or(FieldSetError::TooDeep)?;
    let mut canonical = true;
    for (key, below) in map {
        let plain = match key.split_at_checked(2) {
            _ if key == "." => continue,
            Some(("f:", _)) => true,
            Some(("k:", rest)) => is_canonical(rest),
            Some(("v:", rest)) => plain_string(rest).is_some_and(|(_, after)| after.is_empty()),
            _ => false,
        };
        canonical &= plain || parse_element(key.clone())?.as_str() == key;
        canonical &= check(below, depth_left)?;
    }
    Ok(canonical)
}

/// The set below a node, and whether the node itself is a member.
fn read(value: Value, depth_left: usize) -> Result<(Set, bool), FieldSetError> {
    let Value::Object(map) = value else {
        return Err(FieldSetError::NotAMap);
    };
    let depth_left = depth_left.checked_sub(1).ok_or(FieldSetError::TooDeep)?;
    let mut set = Set { nodes: Vec::with_capacity(map.len()) };
    let mut member = false;
    for (key, below) in map {
        if key == "." {
            member = true;
            continue;
        }
        let element = parse_element(key)?;
        let (children, dotted) = read(below, depth_left)?;
        let leaf = children.is_empty();
        set.put(element, Node { member: dotted || leaf, children });
    }
    Ok((set, member))
}

/// An element from its wire form, in the canonical spelling (clients may write keys with spaces or in another order).
fn parse_element(text: String) -> Result<PathElement, FieldSetError> {
    let Some((prefix, rest)) = text.split_at_checked(2) else {
        return Err(FieldSetError::BadElement(text));
    };
    let element = match prefix {
        "f:" => return Ok(PathElement(text)),
        "k:" if is_canonical(rest) => return Ok(PathElement(text)),
        "i:" => rest.parse().map(PathElement::index).ok(),
        "k:" => match serde_json::from_str(rest) {
            Ok(Value::Object(keys)) if !keys.is_empty() => Some(PathElement::key(&keys)),
            _ => None,
        },
        "v:" => serde_json::from_str(rest).map(|value| PathElement::value(&value)).ok(),
        _ => None,
    };
    element.ok_or(FieldSetError::BadElement(text))
}

/// Whether the keys of an element are surely spelled as [`PathElement::key`] spells them: sorted names and plain
/// strings or whole numbers, nothing escaped, no spaces. What is not surely so is read and written again.
fn is_canonical(keys: &str) -> bool {
    let Some(mut rest) = keys.strip_prefix('{') else {
        return false;
    };
    let mut last = "";
    loop {
        let Some((name, after)) = plain_string(rest) else {
            return false;
        };
        let Some(after) = after.strip_prefix(':') else {
            return false;
        };
        if name <= last {
            return false;
        }
        last = name;
        let after = match plain_string(after) {
            Some((_, after)) => after,
            None => {
                let digits = after.len() - after.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
                if digits == 0 || (digits > 1 && after.starts_with('0')) {
                    return false;
                }
                &after[digits..]
            }
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after == "}",
        }
    }
}

/// A JSON string of plain ASCII without escapes at the start of `text`, and what is behind it.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let (inner, after) = text.strip_prefix('"')?.split_once('"')?;
    inner.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\').then_some((inner, after))
}
