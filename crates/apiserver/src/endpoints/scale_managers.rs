//! Who owns the replicas: the `managedFields` of an object as those of its Scale, and back.
//!
//! A Scale shows the entries that own the replicas, in its own version and with its own path. What an apply makes of them
//! is put back: who lost the replicas loses them in the object too, who has them now owns them there through `scale`.

use api::fieldset::{PathElement, Set};
use api::meta::{ObjectMeta, metadata_mut};
use serde_json::{Map, Value, json};

fn path(fields: &[String]) -> Vec<PathElement> {
    fields.iter().map(|field| PathElement::field(field)).collect()
}

fn only(fields: &[String]) -> Set {
    let mut set = Set::default();
    set.insert(&path(fields));
    set
}

fn fields_of(entry: &Value) -> Set {
    Set::from_value(&entry["fieldsV1"]).unwrap_or_default()
}

fn entries_of(object: &Value) -> &[Value] {
    object.metadata().get("managedFields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn with(entry: &Value, api_version: &str, fields: Set) -> Value {
    let mut entry = entry.as_object().cloned().unwrap_or_else(Map::new);
    entry.insert("apiVersion".to_owned(), api_version.into());
    entry.insert("fieldsV1".to_owned(), fields.into_value());
    Value::Object(entry)
}

/// Whether two entries are of one manager. The versions of updates differ between an object and its Scale.
fn same_manager(one: &Value, other: &Value) -> bool {
    ["manager", "operation", "subresource"].iter().all(|field| one.get(field) == other.get(field))
}

/// Where a Scale has its replicas; built-in objects have theirs in the same place.
pub fn scale_path() -> Vec<String> {
    vec!["spec".to_owned(), "replicas".to_owned()]
}

/// The entries of an object's Scale.
pub fn of_scale(object: &Value, replicas: &[String]) -> Vec<Value> {
    let owners = entries_of(object).iter().filter(|entry| fields_of(entry).has(&path(replicas)));
    owners.map(|entry| with(entry, "autoscaling/v1", only(&scale_path()))).collect()
}

/// Puts the entries of a Scale into those of its object, whose version is `api_version`.
pub fn put(object: &mut Value, scale: &Value, replicas: &[String], api_version: &str) {
    let owns = |entry: &&Value| fields_of(entry).has(&path(&scale_path()));
    let mut owners: Vec<&Value> = entries_of(scale).iter().filter(owns).collect();
    let mut kept = Vec::new();
    for entry in entries_of(object) {
        let fields = fields_of(entry);
        if !fields.has(&path(replicas)) {
            kept.push(entry.clone());
        } else if let Some(at) = owners.iter().position(|owner| same_manager(owner, entry)) {
            owners.remove(at);
            kept.push(entry.clone());
        } else {
            let left = fields.difference(&only(replicas));
            let version = entry["apiVersion"].as_str().unwrap_or_default();
            if !left.is_empty() {
                kept.push(with(entry, version, left));
            }
        }
    }
    // Applies come before updates, as everywhere.
    let applied = |entry: &Value| entry["operation"] == "Apply";
    let new: Vec<Value> = owners.into_iter().map(|owner| with(owner, api_version, only(replicas))).collect();
    let at = kept.iter().take_while(|entry| applied(entry)).count();
    kept.splice(at..at, new);
    let metadata = metadata_mut(object);
    if kept.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), json!(kept));
    }
}
