//! Defaults that stand in the schema: `+default` markers of built-in types, `default` of custom resources.
//!
//! Defaults that upstream sets by code (`SetDefaults_*`) are in `registry`.

use super::zero;
use crate::schema::{Field, Kind, Object, Origin, Schema, Zero};
use serde_json::{Map, Value};

/// Fills missing fields of everything that is there. An object that is itself missing is made only by a default of its own.
pub fn apply_defaults(value: &mut Value, schema: &Schema) {
    match (&schema.kind, value) {
        (Kind::Object(object), Value::Object(map)) => object_defaults(map, object, schema.origin),
        (Kind::Map { values, .. }, Value::Object(map)) => {
            map.values_mut().for_each(|item| apply_defaults(item, values));
        }
        (Kind::List { items, .. }, Value::Array(list)) if !is_scalar(items) => {
            list.iter_mut().for_each(|item| apply_defaults(item, items));
        }
        _ => {}
    }
}

fn is_scalar(schema: &Schema) -> bool {
    !matches!(schema.kind, Kind::Object(_) | Kind::Map { .. } | Kind::List { .. })
}

fn object_defaults(map: &mut Map<String, Value>, object: &Object, origin: Origin) {
    for field in &*object.fields {
        match (map.get_mut(&*field.name), field.default.as_deref()) {
            (Some(value), Some(default)) if is_unset(value, field, origin) => *value = default.clone(),
            (None, Some(default)) if !(origin == Origin::Go && field.zero == Zero::Drop && zero::is_empty(default)) => {
                map.insert(String::from(&*field.name), default.clone());
            }
            _ => {}
        }
        if !is_scalar(&field.schema)
            && let Some(value) = map.get_mut(&*field.name)
        {
            apply_defaults(value, &field.schema);
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
