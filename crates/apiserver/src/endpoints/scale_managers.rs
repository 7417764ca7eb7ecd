//! Who owns the replicas: the `managedFields` of an object as those of its Scale, and back
//! (`k8s.io/apimachinery/pkg/util/managedfields/scalehandler.go`).
//!
//! A Scale shows the entries that own the replicas, in its own version and with its own path. What an apply makes of them
//! is put back: who lost the replicas loses them in the object too, who has them now owns them there through `scale`.

use api::fieldset::{PathElement, Set};
use api::meta::{ObjectMeta, metadata_mut};
use registry::Resource;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where the replicas are in each version of a resource.
pub struct Replicas {
    /// By `apiVersion`; `None`: that version has no scale.
    by_version: BTreeMap<String, Option<Vec<String>>>,
    /// The version that is written now.
    current: String,
}

impl Replicas {
    /// Of a row and its sisters of other versions. Built-in objects have theirs in the same place as Scales.
    pub fn of(row: &Resource) -> Self {
        let current = row.api_version();
        let by_version = match &row.custom {
            Some(custom) => {
                let path = |paths: &registry::custom::ScalePaths| paths.replicas().map(str::to_owned).collect();
                custom.scales.iter().map(|(version, paths)| (version.clone(), paths.as_ref().map(path))).collect()
            }
            None => [(current.clone(), Some(scale_path()))].into(),
        };
        Self { by_version, current }
    }

    /// The path in an entry's version; `Err`: nobody knows that version.
    fn path_in(&self, entry: &Value) -> Result<Option<&[String]>, ()> {
        let version = entry["apiVersion"].as_str().unwrap_or_default();
        self.by_version.get(version).map(Option::as_deref).ok_or(())
    }
}

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

/// Where a Scale has its replicas.
fn scale_path() -> Vec<String> {
    vec!["spec".to_owned(), "replicas".to_owned()]
}

/// The entries of an object's Scale.
pub fn of_scale(object: &Value, replicas: &Replicas) -> Vec<Value> {
    let owns = |entry: &&Value| {
        let known = replicas.path_in(entry).ok().flatten();
        known.is_some_and(|replicas| fields_of(entry).has(&path(replicas)))
    };
    let owners = entries_of(object).iter().filter(owns);
    owners.map(|entry| with(entry, "autoscaling/v1", only(&scale_path()))).collect()
}

/// Puts the entries of a Scale into those of its object. Entries of versions that nobody knows any more go.
pub fn put(object: &mut Value, scale: &Value, replicas: &Replicas) {
    let owns = |entry: &&Value| fields_of(entry).has(&path(&scale_path()));
    let mut owners: Vec<&Value> = entries_of(scale).iter().filter(owns).collect();
    let mut kept = Vec::new();
    for entry in entries_of(object) {
        let Ok(known) = replicas.path_in(entry) else { continue };
        let fields = fields_of(entry);
        let Some(known) = known.filter(|replicas| fields.has(&path(replicas))) else {
            kept.push(entry.clone());
            continue;
        };
        if let Some(at) = owners.iter().position(|owner| same_manager(owner, entry)) {
            owners.remove(at);
            kept.push(entry.clone());
        } else {
            let left = fields.difference(&only(known));
            let version = entry["apiVersion"].as_str().unwrap_or_default();
            if !left.is_empty() {
                kept.push(with(entry, version, left));
            }
        }
    }
    // Applies come before updates, as everywhere.
    let applied = |entry: &Value| entry["operation"] == "Apply";
    let current = replicas.by_version.get(&replicas.current).cloned().flatten().unwrap_or_else(scale_path);
    let new: Vec<Value> = owners.into_iter().map(|owner| with(owner, &replicas.current, only(&current))).collect();
    let at = kept.iter().take_while(|entry| applied(entry)).count();
    kept.splice(at..at, new);
    let metadata = metadata_mut(object);
    if kept.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), json!(kept));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, version: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": "Apply", "apiVersion": version, "fieldsV1": fields})
    }

    #[test]
    fn replicas_are_found_where_each_version_has_them() {
        let place = |field: &str| Some(vec!["spec".to_owned(), field.to_owned()]);
        let by_version =
            [("e/v1".to_owned(), place("replicas")), ("e/v2".to_owned(), place("count")), ("e/v3".to_owned(), None)];
        let replicas = Replicas { by_version: by_version.into(), current: "e/v2".to_owned() };
        let fields = |name: &str| json!({"f:spec": {name: {}}});
        let mut object = json!({"metadata": {"managedFields": [
            entry("a", "e/v1", fields("f:replicas")), entry("b", "e/v2", fields("f:count")),
            entry("c", "e/v2", fields("f:replicas")), entry("d", "e/v3", fields("f:count")),
            entry("e", "e/v0", fields("f:count"))]}});
        let shown = of_scale(&object, &replicas);
        let managers = |entries: &[Value]| entries.iter().map(|entry| entry["manager"].clone()).collect::<Vec<_>>();
        assert_eq!(managers(&shown), ["a", "b"]);
        // `b` goes on, `a` loses them, `s` is new.
        let scale = json!({"metadata": {"managedFields": [
            entry("b", "autoscaling/v1", fields("f:replicas")), entry("s", "autoscaling/v1", fields("f:replicas"))]}});
        put(&mut object, &scale, &replicas);
        let entries = entries_of(&object);
        assert_eq!(managers(entries), ["b", "c", "d", "s"]);
        assert_eq!((&entries[3]["apiVersion"], &entries[3]["fieldsV1"]), (&json!("e/v2"), &fields("f:count")));
    }
}
