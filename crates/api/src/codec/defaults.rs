//! Defaults that stand in the schema: `+default` markers of built-in types, `default` of custom resources.
//!
//! Defaults that upstream sets by code (`SetDefaults_*`) are in `registry`.

use super::zero;
use crate::schema::{Field, Kind, Object, Origin, Schema, Zero};
use serde_json::{Map, Value};

/// Fills missing fields of everything that is there. An object that is itself missing is made only by a default of its own.
pub fn apply_defaults(value: &mut Value, schema: &Schema) {
    match (&schema.kind, value) {
        (Kind::Object(object), Value::Object(map)) if !object.defaulted.is_empty() => {
            object_defaults(map, object, schema.origin)
        }
        (Kind::Map { values, .. }, Value::Object(map)) if values.has_defaults() => {
            map.values_mut().for_each(|item| apply_defaults(item, values));
        }
        (Kind::List { items, .. }, Value::Array(list)) if items.has_defaults() => {
            list.iter_mut().for_each(|item| apply_defaults(item, items));
        }
        _ => {}
    }
}

fn object_defaults(map: &mut Map<String, Value>, object: &Object, origin: Origin) {
    for number in &*object.defaulted {
        let field = &object.fields[*number];
        let Some(default) = field.default.as_deref() else {
            if let Some(value) = map.get_mut(&*field.name) {
                apply_defaults(value, &field.schema);
            }
            continue;
        };
        match map.get_mut(&*field.name) {
            Some(value) => {
                if is_unset(value, field, origin) {
                    *value = default.clone();
                }
                apply_defaults(value, &field.schema);
            }
            None if origin == Origin::Go && field.zero == Zero::Drop && zero::is_empty(default) => {}
            None => {
                let mut value = default.clone();
                apply_defaults(&mut value, &field.schema);
                map.insert(String::from(&*field.name), value);
            }
        }
    }
}

/// Whether a present value counts as missing.
fn is_unset(value: &Value, field: &Field, origin: Origin) -> bool {
    match origin {
        // A pointer that was set to zero is set; a plain zero is what Go has for "missing".
        Origin::Go => value.is_null() || (field.zero != Zero::Keep && zero::is_empty(value)),
        Origin::Structural => value.is_null() && !field.schema.nullable,
    }
}
