//! The life of an object as the API server leads it, without the server: decoded, defaulted, owned, prepared, validated,
//! printed, charged, updated.

use api::apply::{Reset, Writer, update_managed_fields};
use api::codec;
use registry::{Occasion, Requestor, Resource, Update};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// When everything happens.
pub const NOW: &str = "2026-01-02T03:04:05Z";

/// `value` in the shape of the row's type, with its type set, or `None` where the decoder refuses it.
///
/// # Panics
/// When conforming a second time is not the same, or what was written is not read again.
pub fn decoded(row: &Resource, mut value: Value) -> Option<Value> {
    let schema = row.schema()?;
    value.as_object()?;
    let conformed = codec::conform(&mut value, schema).ok()?;
    assert!(conformed.unknown_field_errors().count() <= codec::MAX_STRICT_ERRORS);
    let mut again = value.clone();
    let unknown = codec::conform(&mut again, schema).expect("what was conformed conforms").unknown;
    assert!(unknown.is_empty(), "unknown fields stayed: {unknown:?}");
    assert_eq!(again, value, "conforming twice");
    let bytes = codec::encode_json(&value);
    assert_eq!(codec::decode_json(&bytes).expect("what was written is JSON").value, value, "round trip as JSON");
    let fields = value.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), row.api_version().into());
    fields.insert("kind".to_owned(), row.kind.to_string().into());
    if !fields.get("metadata").is_some_and(Value::is_object) {
        fields.insert("metadata".to_owned(), Value::Object(Map::new()));
    }
    Some(value)
}

/// Schema defaults, then the kind's own.
///
/// # Panics
/// When defaulting a second time changes anything.
pub fn defaulted(row: &Resource, mut object: Value) -> Value {
    let Some(schema) = row.schema() else { return object };
    let apply = |object: &mut Value| {
        codec::apply_defaults(object, schema);
        row.strategy.default(object);
    };
    apply(&mut object);
    let mut again = object.clone();
    apply(&mut again);
    assert_eq!(again, object, "defaulting twice ({})", row.definition);
    object
}

/// Makes the object new, or what it is changed to; the flag says whether it is valid.
fn written(row: &Resource, value: Value, old: Option<&Value>) -> Option<(Value, bool)> {
    let schema = row.schema()?;
    let mut object = defaulted(row, decoded(row, value)?);
    if old.is_some_and(|old| old["metadata"]["name"] != object["metadata"]["name"]) {
        object["metadata"]["name"] = old.map(|old| old["metadata"]["name"].clone()).unwrap_or_default();
    }
    let (api_version, reset) = (row.api_version(), Reset::default());
    let writer = Writer {
        schema,
        manager: "fuzz",
        api_version: &api_version,
        subresource: "",
        reset: &reset,
        now: NOW,
        versions: None,
    };
    update_managed_fields(old, &mut object, &writer);
    codec::forget_empty(&mut object, schema);
    match old {
        None => row.strategy.prepare_for_create(&mut object),
        Some(old) => row.strategy.prepare_for_update(&mut object, old, None),
    }
    let (groups, extra) = (["system:authenticated".to_owned()], BTreeMap::new());
    let user = Requestor { name: "fuzz", uid: "", groups: &groups, extra: &extra };
    row.strategy.stamp(&mut object, old, &Occasion { now: NOW, user });
    let namespaced = row.scope == registry::Scope::Namespaced;
    let mut errors = api::objectmeta::validate(&object, namespaced, |name, _| row.strategy.validate_name(name));
    match old {
        None => errors.extend(row.strategy.validate(&object)),
        Some(old) => {
            errors.extend(api::objectmeta::validate_update(&object, old));
            errors.extend(row.strategy.validate_update(Update {
                old,
                new: &object,
                subresource: None,
                text_changed: false,
            }));
        }
    }
    errors.iter().for_each(|error| assert!(!error.to_string().is_empty()));
    let _shown = row.strategy.warnings(&object, old);
    Some((object, errors.is_empty()))
}

/// What is done with an object that is stored, valid or not: who reads it must stand both.
fn read(row: &Resource, object: &Value) {
    let now = NOW.parse().expect("a time");
    let cells = row.printer.row(object, now).cells.len();
    assert_eq!(cells, row.printer.columns().len(), "a cell for each column of {}", row.definition);
    let _fields = row.strategy.selectable_fields(object);
    let _period = row.strategy.grace_period_seconds(object, Some(1));
    row.strategy.hide_in_table(&mut object.clone());
    row.strategy.begin_deletion(&mut object.clone(), now);
    let kind = registry::quota::Kind { group: &row.group, plural: &row.plural };
    let _used = registry::quota::usage(kind, object);
}

/// Creates `first` and then changes it to `second`.
///
/// # Panics
/// When a property does not hold that all objects have.
pub fn live(row: &Resource, first: Value, second: Value) {
    let Some((mut object, valid)) = written(row, first, None) else { return };
    read(row, &object);
    if !valid {
        return;
    }
    row.strategy.read_back(&mut object);
    read(row, &object);
    // What is stored can be written again as it is.
    let same = written(row, object.clone(), Some(&object));
    assert!(same.is_some(), "what is stored can be decoded ({})", row.definition);
    if let Some((changed, _)) = written(row, second, Some(&object)) {
        read(row, &changed);
    }
}
