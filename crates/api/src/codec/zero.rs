//! Go's zero values of types: what is written for a missing field, and what `omitempty` leaves out.

use crate::schema::{Kind, Schema, Zero};
use serde_json::{Map, Value};

/// What Go writes for a value of this type that was never set.
pub(super) fn zero_value(schema: &Schema) -> Value {
    match &schema.kind {
        Kind::Object(object) => {
            let always = object.always.iter().map(|at| &object.fields[*at]);
            let zero = |field: &crate::schema::Field| match field.zero {
                Zero::Write => zero_value(&field.schema),
                _ => Value::Null,
            };
            Value::Object(always.map(|field| (String::from(&*field.name), zero(field))).collect::<Map<_, _>>())
        }
        Kind::String => Value::String(String::new()),
        Kind::Int32 | Kind::Int64 | Kind::Number | Kind::IntOrString => Value::from(0),
        Kind::Bool => Value::Bool(false),
        Kind::Quantity => Value::String("0".to_owned()),
        Kind::Duration => Value::String("0s".to_owned()),
        Kind::FieldsV1 => Value::Object(Map::new()),
        Kind::Map { .. } | Kind::List { .. } | Kind::Bytes => Value::Null,
        Kind::Time | Kind::MicroTime | Kind::RawExtension | Kind::Json => Value::Null,
    }
}

/// Whether `omitempty` leaves this value out.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}
