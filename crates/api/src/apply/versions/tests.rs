//! A resource whose versions call things by other names.

use super::*;
use crate::apply::{ApplyError, ApplyRequest, apply, update_managed_fields};
use crate::schema::structural;
use serde_json::json;
use std::sync::Arc;

/// `v1` has `spec.replicas`, `v2` has `spec.count`; all have `spec.color`, and `v2` a list of `tags`.
#[derive(Debug)]
struct Doors(BTreeMap<&'static str, Arc<Schema>>);

impl Doors {
    fn new() -> Self {
        let schema = |properties: Value| {
            let metadata = json!({"type": "object"});
            let spec = json!({"type": "object", "properties": properties});
            let properties = json!({"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata, "spec": spec});
            structural(&json!({"type": "object", "properties": properties})).unwrap()
        };
        let (number, text) = (json!({"type": "integer"}), json!({"type": "string"}));
        let tags = json!({"type": "array", "items": text, "x-kubernetes-list-type": "set"});
        Self(BTreeMap::from([
            ("e/v1", schema(json!({"replicas": number, "color": text}))),
            ("e/v2", schema(json!({"count": number, "color": text, "tags": tags}))),
        ]))
    }

    fn with<T>(&self, manager: &str, api_version: &'static str, run: impl FnOnce(&Writer<'_>) -> T) -> T {
        let reset = crate::apply::Reset::default();
        let (schema, now) = (&*self.0[api_version], "2026-01-01T00:00:00Z");
        run(&Writer { schema, manager, api_version, subresource: "", reset: &reset, now, versions: Some(self) })
    }

    fn apply(
        &self,
        live: Option<&Value>,
        manager: &str,
        spec: Value,
        version: &'static str,
    ) -> Result<Value, ApplyError> {
        let config = json!({"apiVersion": version, "kind": "Door", "metadata": {"name": "a"}, "spec": spec});
        let live = live.and_then(|live| self.convert(live, version));
        let request = ApplyRequest { config: &config, kind: "Door", force: false };
        let mut object = self.with(manager, version, |writer| apply(live.as_ref(), request, writer))?;
        object["metadata"]["uid"] = "u".into();
        Ok(object)
    }
}

impl Versions for Doors {
    fn schema(&self, api_version: &str) -> Option<&Schema> {
        self.0.get(api_version).map(|schema| &**schema)
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        let mut object = object.clone();
        let (from, to) = if api_version == "e/v1" { ("count", "replicas") } else { ("replicas", "count") };
        object["apiVersion"] = api_version.into();
        if let Some(Value::Object(spec)) = object.get_mut("spec")
            && let Some(value) = spec.remove(from)
        {
            spec.insert(to.to_owned(), value);
        }
        Some(object)
    }
}

/// Manager, version and fields of each entry.
fn owners(object: &Value) -> Vec<(Value, Value, Value)> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let of =
        |entry: &Value| (entry["manager"].clone(), entry["apiVersion"].clone(), entry["fieldsV1"]["f:spec"].clone());
    entries.iter().map(of).collect()
}

#[test]
fn conflicts_are_found_under_another_name() {
    let doors = Doors::new();
    let live = doors.apply(None, "old", json!({"replicas": 1, "color": "red"}), "e/v1").unwrap();
    let refused = doors.apply(Some(&live), "new", json!({"count": 2}), "e/v2").unwrap_err();
    let ApplyError::Conflicts(conflicts) = refused else { panic!() };
    assert_eq!(conflicts.len(), 1);
    // The same value is no conflict, and shared.
    let shared = doors.apply(Some(&live), "new", json!({"count": 1}), "e/v2").unwrap();
    assert_eq!(
        owners(&shared),
        [
            (json!("new"), json!("e/v2"), json!({"f:count": {}})),
            (json!("old"), json!("e/v1"), json!({"f:color": {}, "f:replicas": {}}))
        ]
    );
    // Who no longer speaks of it leaves it to the other.
    let left = doors.apply(Some(&shared), "old", json!({"color": "red"}), "e/v1").unwrap();
    assert_eq!(left["spec"], json!({"replicas": 1, "color": "red"}));
}

#[test]
fn what_was_applied_in_another_version_is_pruned() {
    let doors = Doors::new();
    let live = doors.apply(None, "m", json!({"count": 1, "color": "red", "tags": ["x"]}), "e/v2").unwrap();
    let live = doors.apply(Some(&live), "other", json!({"tags": ["x", "y"]}), "e/v2").unwrap();
    let now = doors.apply(Some(&live), "m", json!({"replicas": 1}), "e/v1").unwrap();
    assert_eq!(doors.convert(&now, "e/v2").unwrap()["spec"], json!({"count": 1, "tags": ["x", "y"]}));
    assert_eq!(owners(&now)[0], (json!("m"), json!("e/v1"), json!({"f:replicas": {}})));
}

#[test]
fn updates_take_over_under_another_name() {
    let doors = Doors::new();
    let live = doors.apply(None, "old", json!({"replicas": 1, "color": "red"}), "e/v1").unwrap();
    let live = doors.convert(&live, "e/v2").unwrap();
    let mut new = live.clone();
    new["spec"]["count"] = json!(5);
    doors.with("u", "e/v2", |writer| update_managed_fields(Some(&live), &mut new, writer));
    assert_eq!(
        owners(&new),
        [(json!("old"), json!("e/v1"), json!({"f:color": {}})), (json!("u"), json!("e/v2"), json!({"f:count": {}}))]
    );
    // Entries of a version that nobody knows go.
    let mut gone = new.clone();
    gone["metadata"]["managedFields"][0]["apiVersion"] = "e/v0".into();
    let mut next = gone.clone();
    next["spec"]["color"] = json!("blue");
    doors.with("u", "e/v2", |writer| update_managed_fields(Some(&gone), &mut next, writer));
    assert_eq!(owners(&next).len(), 1);
}

/// As an apiextensions-apiserver 1.36.4 answered: what nobody owns stays, also where its parent goes in between.
#[test]
fn what_nobody_owns_outlives_its_parent() {
    let doors = Doors::new();
    let mut live = doors.apply(None, "m", json!({"color": "red"}), "e/v2").unwrap();
    live["spec"]["tags"] = json!(["x"]);
    let now = doors.apply(Some(&live), "m", json!({}), "e/v1").unwrap();
    assert_eq!(now["spec"], json!({"tags": ["x"]}));
}

#[test]
fn an_object_stays_the_one_that_it_is() {
    let doors = Doors::new();
    let labelled = json!({"apiVersion": "e/v2", "kind": "Door", "metadata": {"name": "a", "labels": {"l": "1"}}});
    let request = |config| ApplyRequest { config, kind: "Door", force: false };
    let mut live = doors.with("m", "e/v2", |writer| apply(None, request(&labelled), writer)).unwrap();
    for (field, value) in [("uid", "u"), ("resourceVersion", "7")] {
        live["metadata"][field] = value.into();
    }
    let live = doors.convert(&live, "e/v1").unwrap();
    let bare = json!({"apiVersion": "e/v1", "kind": "Door", "metadata": {"name": "a"}, "spec": {"color": "red"}});
    let mut now = doors.with("m", "e/v1", |writer| apply(Some(&live), request(&bare), writer)).unwrap();
    now["metadata"].as_object_mut().unwrap().remove("managedFields");
    assert_eq!(now["metadata"], json!({"name": "a", "uid": "u", "resourceVersion": "7"}));
}
