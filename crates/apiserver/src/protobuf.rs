//! The protobuf form of objects, which typed Go clients (`kubectl create configmap`) send and ask for.
//!
//! A table of field numbers (`data/protobuf.txt`) turns the wire format into the JSON value that the same object has;
//! from there on it is any other body. `encode` has the way back.

mod encode;
mod table;
pub(crate) mod wire;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use table::{Field, Kind, Shape};
use wire::{Wire, WireError};

pub use encode::{encode, knows, watch_frame};

/// What every such body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Objects nest some 20 levels deep; more is an attack.
const MAX_DEPTH: usize = 64;

/// Why a body is no protobuf object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The first four bytes are others.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    /// The bytes are no protobuf.
    #[error("proto: {0}")]
    Wire(#[from] WireError),
    /// The table does not have the type.
    #[error(
        "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
    )]
    UnknownType {
        /// `apps/v1`
        api_version: String,
        /// `Deployment`
        kind: String,
    },
    /// The object nests too deep.
    #[error("exceeded max depth")]
    TooDeep,
}

/// Decodes a body. The object carries the `apiVersion` and `kind` of its envelope; `hint` is the type where it has none.
///
/// # Errors
/// [`ProtobufError`].
pub fn decode(body: &[u8], hint: (&str, &str)) -> Result<Value, ProtobufError> {
    let envelope = body.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for entry in wire::fields(envelope) {
        match entry? {
            (1, Wire::Bytes(meta)) => {
                for entry in wire::fields(meta) {
                    match entry? {
                        (1, Wire::Bytes(text)) => api_version = String::from_utf8_lossy(text).into_owned(),
                        (2, Wire::Bytes(text)) => kind = String::from_utf8_lossy(text).into_owned(),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    if api_version.is_empty() && kind.is_empty() {
        (api_version, kind) = (hint.0.to_owned(), hint.1.to_owned());
    }
    let fields = table::object(&api_version, &kind)
        .ok_or_else(|| ProtobufError::UnknownType { api_version: api_version.clone(), kind: kind.clone() })?;
    let mut object = Map::new();
    message(raw, fields, &mut object, 0)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// Reads the fields of a message into a map. Fields that the table does not have are of newer clients: left out.
fn message(bytes: &[u8], fields: &[Field], out: &mut Map<String, Value>, depth: usize) -> Result<(), ProtobufError> {
    if depth > MAX_DEPTH {
        return Err(ProtobufError::TooDeep);
    }
    for entry in wire::fields(bytes) {
        let (number, wire) = entry?;
        let Some(field) = fields.iter().find(|field| field.number == number) else { continue };
        match field.shape {
            Shape::Inline => {
                if let (Kind::Message(inner), Wire::Bytes(bytes)) = (&field.kind, wire) {
                    message(bytes, table::message(inner), out, depth + 1)?;
                }
            }
            Shape::One => drop(out.insert(field.name.to_owned(), value(wire, &field.kind, depth)?)),
            Shape::Map => {
                let Wire::Bytes(pair) = wire else { continue };
                let (mut key, mut mapped) = (String::new(), zero(&field.kind));
                for entry in wire::fields(pair) {
                    match entry? {
                        (1, Wire::Bytes(text)) => key = String::from_utf8_lossy(text).into_owned(),
                        (2, wire) => mapped = value(wire, &field.kind, depth)?,
                        _ => {}
                    }
                }
                let map = out.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
                map.as_object_mut().and_then(|map| map.insert(key, mapped));
            }
            Shape::Repeated => {
                let list = out.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                let Some(list) = list.as_array_mut() else { continue };
                match (&field.kind, wire) {
                    (Kind::Integer | Kind::Bool, Wire::Bytes(packed)) => {
                        for number in wire::packed(packed) {
                            list.push(value(Wire::Varint(number?), &field.kind, depth)?);
                        }
                    }
                    (kind, wire) => list.push(value(wire, kind, depth)?),
                }
            }
        }
    }
    Ok(())
}

/// What a map's entry without a value means.
fn zero(kind: &Kind) -> Value {
    match kind {
        Kind::String | Kind::Bytes => "".into(),
        Kind::Bool => false.into(),
        Kind::Integer | Kind::Double => 0.into(),
        Kind::Message(name) if *name == "api.resource.Quantity" => "0".into(),
        Kind::Message(_) => Value::Object(Map::new()),
    }
}

fn value(wire: Wire<'_>, kind: &Kind, depth: usize) -> Result<Value, ProtobufError> {
    Ok(match (kind, wire) {
        (Kind::String, Wire::Bytes(text)) => String::from_utf8_lossy(text).into(),
        (Kind::Bytes, Wire::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Kind::Bool, Wire::Varint(number)) => (number != 0).into(),
        // Negative numbers stand as two's complement.
        (Kind::Integer, Wire::Varint(number)) => number.cast_signed().into(),
        (Kind::Double, Wire::Fixed64(bits)) => f64::from_bits(bits).into(),
        (Kind::Message(name), Wire::Bytes(bytes)) => special(name, bytes, depth)?,
        _ => return Err(WireError::Type.into()),
    })
}

/// Messages whose JSON form is no object of their fields.
fn special(name: &str, bytes: &[u8], depth: usize) -> Result<Value, ProtobufError> {
    let mut map = Map::new();
    message(bytes, table::message(name), &mut map, depth + 1)?;
    let number = |field: &str| map.get(field).and_then(Value::as_i64).unwrap_or(0);
    Ok(match name {
        "api.resource.Quantity" => map.get("string").cloned().unwrap_or_else(|| "0".into()),
        "meta.v1.Time" | "meta.v1.MicroTime" if bytes.is_empty() => Value::Null,
        "meta.v1.Time" | "meta.v1.MicroTime" => {
            let nanos = i32::try_from(number("nanos")).unwrap_or(0);
            match jiff::Timestamp::new(number("seconds"), nanos) {
                Ok(time) if name == "meta.v1.Time" => api::time::format_seconds(time).into(),
                Ok(time) => api::time::format_micros(time).into(),
                Err(_) => Value::Null, // Go's zero time lies before what can be shown
            }
        }
        "util.intstr.IntOrString" if number("type") == 0 => number("intVal").into(),
        "util.intstr.IntOrString" => map.remove("strVal").unwrap_or_else(|| "".into()),
        "meta.v1.FieldsV1" | "runtime.RawExtension" | "apiextensions.v1.JSON" => {
            let raw = map.values().next().and_then(Value::as_str).unwrap_or_default();
            let json = STANDARD.decode(raw).unwrap_or_default();
            serde_json::from_slice(&json).unwrap_or(Value::Null)
        }
        // Lists with a name of their own.
        _ if name.ends_with(".ExtraValue") => map.remove("items").unwrap_or_else(|| Value::Array(Vec::new())),
        _ => Value::Object(map),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(body: &str, want: Expect) {
        let decoded = decode(&STANDARD.decode(body).unwrap(), ("", ""));
        want.assert_eq(&decoded.map_or_else(|error| error.to_string(), |value| value.to_string()));
    }

    #[test]
    fn bodies_of_clients() {
        check(
            "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEg8KBQoDcGIyEgYKAWsSAXY=",
            expect![[r#"{"apiVersion":"v1","data":{"k":"v"},"kind":"ConfigMap","metadata":{"name":"pb2"}}"#]],
        );
        check("azhzAP////8=", expect!["proto: unexpected EOF"]);
        check(
            "AAAA",
            expect!["provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"],
        );
    }

    #[test]
    fn every_message_of_the_table_has_its_parts() {
        table::check();
    }
}
