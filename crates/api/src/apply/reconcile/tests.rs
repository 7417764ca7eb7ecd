//! A custom resource whose definition changes between one write and the next.

use crate::apply::{ApplyError, ApplyRequest, Reset, Writer, apply, update_managed_fields};
use crate::schema::{Schema, structural};
use serde_json::{Value, json};
use std::sync::Arc;

/// `spec.struct` and `spec.list`, both granular or both atomic.
fn schema(atomic: bool) -> Arc<Schema> {
    let (map, list) = if atomic { ("atomic", "atomic") } else { ("granular", "map") };
    let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
    let mut items = json!({"type": "array", "x-kubernetes-list-type": list,
        "items": {"type": "object", "properties": {"name": text, "value": number}}});
    if !atomic {
        items["x-kubernetes-list-map-keys"] = json!(["name"]);
    }
    let spec = json!({"struct": {"type": "object", "x-kubernetes-map-type": map, "properties": {"n": number, "s": text}},
        "list": items});
    structural(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}})).unwrap()
}

fn with<T>(schema: &Schema, manager: &str, run: impl FnOnce(&Writer<'_>) -> T) -> T {
    let reset = Reset::default();
    run(&Writer {
        schema,
        manager,
        api_version: "e/v1",
        subresource: "",
        reset: &reset,
        now: "2026-01-01T00:00:00Z",
        versions: None,
    })
}

fn applied(schema: &Schema, live: Option<&Value>, manager: &str, spec: Value, force: bool) -> Result<Value, String> {
    let config = json!({"apiVersion": "e/v1", "kind": "K", "metadata": {"name": "a"}, "spec": spec});
    let outcome =
        with(schema, manager, |writer| apply(live, ApplyRequest { config: &config, kind: "K", force }, writer));
    outcome.map_err(|error| match error {
        ApplyError::Conflicts(conflicts) => ApplyError::Conflicts(conflicts).to_status().message,
        other => panic!("{other:?}"),
    })
}

/// What is owned of `spec`, by manager.
fn owned(object: &Value) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| (entry["manager"].as_str().unwrap().to_owned(), entry["fieldsV1"]["f:spec"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn what_has_become_atomic_is_owned_as_a_whole() {
    let (granular, atomic) = (schema(false), schema(true));
    let first = json!({"struct": {"n": 1}, "list": [{"name": "a", "value": 1}]});
    let live = applied(&granular, None, "one", first, false).unwrap();
    assert_eq!(owned(&live)["one"]["f:struct"], json!({"f:n": {}}));
    let other = json!({"struct": {"s": "x"}});
    let conflict = applied(&atomic, Some(&live), "two", other.clone(), false).unwrap_err();
    assert_eq!(conflict, "Apply failed with 1 conflict: conflict with \"one\": .spec.struct");
    let taken = applied(&atomic, Some(&live), "two", other, true).unwrap();
    assert_eq!(taken["spec"]["struct"], json!({"s": "x"}));
    assert_eq!(owned(&taken), json!({"one": {"f:list": {}}, "two": {"f:struct": {}}}));
    // an update settles it too, though it changes something else
    let mut updated = live.clone();
    updated["metadata"]["uid"] = "u".into();
    updated["spec"]["list"] = json!([{"name": "b"}]);
    let mut before = live;
    before["metadata"]["uid"] = "u".into();
    with(&atomic, "three", |writer| update_managed_fields(Some(&before), &mut updated, writer));
    assert_eq!(owned(&updated), json!({"one": {"f:struct": {}}, "three": {"f:list": {}}}));
}

#[test]
fn an_owner_of_nothing_inside_does_not_own_the_whole() {
    let (granular, atomic) = (schema(false), schema(true));
    let live = applied(&granular, None, "one", json!({"struct": {"n": 1}}), false).unwrap();
    let live = applied(&granular, Some(&live), "two", json!({"struct": {"n": 2}}), true).unwrap();
    let conflict = applied(&atomic, Some(&live), "three", json!({"struct": {"s": "x"}}), false).unwrap_err();
    assert_eq!(conflict, "Apply failed with 1 conflict: conflict with \"two\": .spec.struct");
}

#[test]
fn what_was_atomic_counts_as_if_it_had_always_been_granular() {
    let (granular, atomic) = (schema(false), schema(true));
    let live = applied(&atomic, None, "one", json!({"struct": {"n": 1, "s": "a"}}), false).unwrap();
    let other = json!({"struct": {"s": "b"}});
    let conflict = applied(&atomic, Some(&live), "two", other.clone(), false).unwrap_err();
    assert_eq!(conflict, "Apply failed with 1 conflict: conflict with \"one\": .spec.struct");
    let both = applied(&granular, Some(&live), "two", other, false).unwrap();
    assert_eq!(both["spec"]["struct"], json!({"n": 1, "s": "b"}));
    assert_eq!(owned(&both), json!({"one": {"f:struct": {}}, "two": {"f:struct": {"f:s": {}}}}));
    // who owned the whole and now speaks of a part owns that, and the rest stays: nobody knows whose it was
    let part = applied(&granular, Some(&live), "one", json!({"struct": {"s": "a"}}), false).unwrap();
    assert_eq!(part["spec"]["struct"], json!({"n": 1, "s": "a"}));
    assert_eq!(owned(&part), json!({"one": {"f:struct": {"f:s": {}}}}));
}

/// A second key for a list's items: the items are others for it only where they have it.
#[test]
fn a_key_that_is_new_leaves_items_without_it_alone() {
    let of_keys = |keys: &[&str]| {
        let item = json!({"type": "object", "properties":
            {"name": {"type": "string"}, "id": {"type": "integer"}, "value": {"type": "integer"}}});
        let list = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": item});
        structural(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"list": list}}}}))
            .unwrap()
    };
    let (one, two) = (of_keys(&["name"]), of_keys(&["name", "id"]));
    let live = applied(&one, None, "m", json!({"list": [{"name": "a", "value": 1}]}), false).unwrap();
    let list = json!([{"name": "a", "value": 2}, {"name": "a", "id": 1, "value": 1}]);
    let now = applied(&two, Some(&live), "m", json!({"list": list}), false).unwrap();
    assert_eq!(now["spec"]["list"], list);
    let of_m = owned(&now)["m"]["f:list"].clone();
    let keys: Vec<&String> = of_m.as_object().unwrap().keys().collect();
    assert_eq!(keys, [r#"k:{"id":1,"name":"a"}"#, r#"k:{"name":"a"}"#]);
    // and an item that had the new key as a field is the same item
    let live = applied(&one, None, "m", json!({"list": [{"name": "a", "id": 1, "value": 1}]}), false).unwrap();
    let list = json!([{"name": "a", "id": 1, "value": 2}]);
    let now = applied(&two, Some(&live), "m", json!({"list": list}), false).unwrap();
    assert_eq!((&now["spec"]["list"], owned(&now)["m"]["f:list"].as_object().unwrap().len()), (&list, 1));
}
