//! The words of Go's other decoder, which reads maps without JSON in between (upstream's `DefaultUnstructuredConverter`):
//! what comes out of a strategic merge patch goes through it, so that wrong types have other words there.

use crate::schema::{Kind, Schema};
use serde_json::Value;

/// What the converter says of `value` where `schema` was expected, whose type Go prints as `go_type`.
pub(super) fn mismatch(value: &Value, schema: &Schema, go_type: &str) -> String {
    match (&schema.kind, value) {
        (Kind::Object(_), _) => format!("cannot restore struct from: {}", go_kind(value)),
        (Kind::Map { .. }, _) => format!("cannot restore map from {}", go_kind(value)),
        (Kind::List { .. } | Kind::Bytes, _) => format!("cannot restore slice from {}", go_kind(value)),
        // Go converts these to one another, JSON does not.
        (Kind::String, Value::Number(number)) if number.is_i64() => format!("cannot convert int64 to {go_type}"),
        (Kind::Int32 | Kind::Int64, Value::Number(_)) => format!("cannot convert {} to {go_type}", go_kind(value)),
        (kind, _) => format!("unrecognized type: {}", simple(kind)),
    }
}

/// What a type that decodes itself says: it is handed its part as JSON.
pub(super) fn own_mismatch(json: &str, go_type: &str) -> String {
    format!("json: cannot unmarshal {json} into Go value of type {go_type}")
}

/// Go's kind of a value as the API machinery reads JSON.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

/// Go's kind of a type that is neither map nor list nor struct.
fn simple(kind: &Kind) -> &'static str {
    match kind {
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Number => "float64",
        Kind::Bool => "bool",
        _ => "string",
    }
}
