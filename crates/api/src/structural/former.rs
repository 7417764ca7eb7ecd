//! What a value was before an update: which old value each part of a new one replaces
//! (`k8s.io/apiserver/pkg/cel/common/equality.go`).
//!
//! Keys of objects can be followed, and items of lists that are maps; items of other lists cannot.

use super::node::{ListKind, Node};
use serde_json::Value;

/// The old value at one place, and the schema that says how to go on from there.
#[derive(Clone, Copy, Debug)]
pub struct Former<'a> {
    /// The schema itself: what combinations (`allOf`, …) say does not tell how parts are found again.
    node: &'a Node,
    /// The old value.
    pub value: &'a Value,
}

impl<'a> Former<'a> {
    /// The old value of a whole.
    pub fn new(node: &'a Node, value: &'a Value) -> Self {
        Self { node, value }
    }

    /// The value that was under this key.
    pub fn key(self, key: &str) -> Option<Self> {
        let value = self.value.as_object()?.get(key)?;
        let node = self.node.properties.get(key).or_else(|| self.node.additional_node())?;
        Some(Self { node, value })
    }

    /// The item that `item` replaces.
    pub fn item(self, item: &Value) -> Option<Self> {
        let value = same_keys(self.node, item, self.value.as_array()?)?;
        Some(Self { node: self.node.items.as_deref()?, value })
    }

    /// Whether nothing has changed.
    pub fn is(self, value: &Value) -> bool {
        self.value == value
    }
}

/// The first item of a list that is a map with the keys of `item`; what has not all of them, or has lists or objects for
/// keys, is found nowhere.
pub fn same_keys<'v>(node: &Node, item: &Value, list: &'v [Value]) -> Option<&'v Value> {
    let ListKind::Map(keys) = &node.list_kind else { return None };
    let is_scalar = |value: &Value| matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
    let wanted: Vec<&Value> =
        keys.iter().map(|key| item.get(key).filter(|value| is_scalar(value))).collect::<Option<_>>()?;
    list.iter().find(|other| keys.iter().zip(&wanted).all(|(key, value)| other.get(key) == Some(value)))
}
