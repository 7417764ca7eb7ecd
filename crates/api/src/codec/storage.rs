//! What storing does to an object of a built-in type.
//!
//! Upstream stores protobuf, in which an empty list is none. So a list that is always written comes back as `null`
//! though the client sent `[]`; who sent it owns it all the same, which is why this is not part of `conform`. What not:
//! custom resources, which upstream stores as JSON.

use super::zero;
use crate::schema::{Kind, Object, Schema};
use serde_json::{Map, Value};

/// Makes `null` of the empty lists and maps that storage forgets.
pub fn forget_empty(value: &mut Value, schema: &Schema) {
    match (&schema.kind, value) {
        (Kind::Object(object), Value::Object(map)) if !object.nulled.is_empty() => in_object(map, object),
        (Kind::Map { values, .. }, Value::Object(map)) if values.has_nulled() => {
            map.values_mut().for_each(|item| forget_empty(item, values));
        }
        (Kind::List { items, .. }, Value::Array(list)) if items.has_nulled() => {
            list.iter_mut().for_each(|item| forget_empty(item, items));
        }
        _ => {}
    }
}

fn in_object(map: &mut Map<String, Value>, object: &Object) {
    for field in object.nulled.iter().map(|number| &object.fields[*number]) {
        let Some(value) = map.get_mut(&*field.name) else { continue };
        if zero::is_empty(value) && field.is_forgotten_when_empty() {
            *value = Value::Null;
        } else {
            forget_empty(value, &field.schema);
        }
    }
}
