//! Reading and writing `metadata` of an object in its generic form. Missing fields read as empty, as in Go.

use serde_json::{Map, Value};
use std::sync::LazyLock;

/// An empty map to lend out where a field is missing.
static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// Read access to the metadata of an object of any kind.
pub trait ObjectMeta {
    /// `metadata` itself; empty when missing or not an object.
    fn metadata(&self) -> &Map<String, Value>;

    /// The string `metadata.<field>`; empty when missing.
    fn meta_str(&self, field: &str) -> &str {
        self.metadata().get(field).and_then(Value::as_str).unwrap_or_default()
    }
    /// `metadata.name`
    fn name(&self) -> &str {
        self.meta_str("name")
    }
    /// `metadata.namespace`
    fn namespace(&self) -> &str {
        self.meta_str("namespace")
    }
    /// `metadata.uid`
    fn uid(&self) -> &str {
        self.meta_str("uid")
    }
    /// `metadata.resourceVersion`
    fn resource_version(&self) -> &str {
        self.meta_str("resourceVersion")
    }
    /// `metadata.labels`
    fn labels(&self) -> &Map<String, Value> {
        self.metadata().get("labels").and_then(Value::as_object).unwrap_or(&EMPTY)
    }
    /// `metadata.annotations`
    fn annotations(&self) -> &Map<String, Value> {
        self.metadata().get("annotations").and_then(Value::as_object).unwrap_or(&EMPTY)
    }
    /// `metadata.finalizers`, non-strings left out.
    fn finalizers(&self) -> Vec<&str> {
        let list = self.metadata().get("finalizers").and_then(Value::as_array);
        list.map(|l| l.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }
    /// Whether `metadata.deletionTimestamp` is set.
    fn is_deleting(&self) -> bool {
        !self.meta_str("deletionTimestamp").is_empty()
    }
}

impl ObjectMeta for Value {
    fn metadata(&self) -> &Map<String, Value> {
        self.get("metadata").and_then(Value::as_object).unwrap_or(&EMPTY)
    }
}

/// `metadata` for writing; made when it is missing or not an object. An object that is no map becomes one.
pub fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    child_mut(object, "metadata")
}

/// The map at `object.<field>` for writing; made when it is missing or not a map.
pub fn child_mut<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(map) = object else { unreachable!("made an object above") };
    let child = map.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    match child {
        Value::Object(child) => child,
        _ => unreachable!("made an object above"),
    }
}
