//! Server-side apply to objects of every kind: twice is once, managed fields stay readable, and force has no conflicts.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use api::apply::{ApplyError, ApplyRequest, Reset, Writer, apply, update_managed_fields};
use api::fieldset::Set;
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::life::NOW;
use pintle_fuzz::{Unstructured, life, row, shape};
use registry::Resource;
use serde_json::Value;

/// Takes out what is `null`: as a list's key it makes an item that nobody finds again, upstream too.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// A configuration of the row's type.
fn config(choices: &mut Unstructured<'_>, row: &Resource) -> Option<Value> {
    let mut config = shape::value(choices, row.schema()?);
    drop_nulls(&mut config);
    let fields = config.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), row.api_version().into());
    fields.insert("kind".to_owned(), row.kind.to_string().into());
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    Some(config)
}

fn check_managed_fields(object: &Value) {
    for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
        let set = Set::from_value(&entry["fieldsV1"]).expect("a field set");
        assert!(!set.is_empty(), "an owner of nothing");
    }
}

/// Whether something empty in the configuration is not in what is stored. Pruning leaves nothing of a list or map whose
/// content all went, and an empty text in an item's key is not stored: the same configuration then is a change, upstream too.
fn is_forgotten(config: &Value, stored: &Value) -> bool {
    match (config, stored) {
        (Value::Array(list), Value::Null) => list.is_empty(),
        (Value::Object(map), Value::Null) => map.is_empty(),
        (Value::String(text), Value::Null) => text.is_empty(),
        (Value::Object(config), Value::Object(stored)) => {
            config.iter().any(|(key, value)| is_forgotten(value, stored.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Array(config), Value::Array(stored)) => {
            config.iter().any(|item| stored.iter().any(|stored| is_forgotten(item, stored)))
        }
        _ => false,
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Unstructured::new(data);
    let row = row(&mut choices);
    let Some(schema) = row.schema() else { return };
    let (api_version, reset) = (row.api_version(), Reset::default());
    let writer = |manager| Writer {
        schema,
        manager,
        api_version: &api_version,
        subresource: "",
        reset: &reset,
        now: NOW,
        versions: None,
    };
    let mut live = None;
    if choices.arbitrary().unwrap_or(false) {
        let Some(mut object) = life::decoded(row, shape::value(&mut choices, schema)) else { return };
        update_managed_fields(None, &mut object, &writer("creator"));
        live = Some(object);
    }
    for manager in ["one", "other", "one", "kubectl"] {
        let Some(config) = config(&mut choices, row) else { return };
        let force = choices.arbitrary().unwrap_or(false);
        let request = ApplyRequest { config: &config, kind: &row.kind, force };
        let applied = match apply(live.as_ref(), request, &writer(manager)) {
            Ok(applied) => applied,
            Err(ApplyError::Conflicts(_)) if force => panic!("conflicts in spite of force"),
            Err(error) => {
                assert!(error.to_status().to_value().is_object());
                continue;
            }
        };
        check_managed_fields(&applied);
        // Apply leaves `null` where all content went; the server conforms before it stores.
        let Some(stored) = life::decoded(row, applied) else { continue };
        check_managed_fields(&stored);
        if stored["metadata"].get("managedFields").is_none() {
            continue; // what nobody owns is taken for what was never tracked, upstream too
        }
        match apply(Some(&stored), request, &writer(manager)) {
            _ if is_forgotten(&config, &stored) => {}
            Ok(again) => {
                let again = life::decoded(row, again).expect("what was applied once conforms again");
                assert_eq!(again, stored, "applied twice by {manager}");
            }
            Err(error) => panic!("applied once, and then {error}: {config} on {stored}"),
        }
        live = Some(stored);
    }
});
