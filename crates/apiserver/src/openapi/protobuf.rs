//! The protobuf form of documents: gnostic's `openapi.v2.Document` and `openapi.v3.Document`.
//!
//! The shapes (`v2.rs`, `v3.rs`) are tables of which key has which field number; one function writes a document by them.
//! What not: shapes that our documents never have (forms, headers, OAuth, examples), and reading.

mod v2;
mod v3;

use super::Dialect;
use crate::protobuf::wire::{put_bytes, put_tag, put_varint};
use serde_json::Value;

/// What clients ask for of each version, and what the answer is called, which may be asked for too: `@` has no place in a
/// media type.
pub(super) fn names(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::V2 => (
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
        ),
        Dialect::V3 => (
            "application/com.github.proto-openapi.spec.v3@v1.0+protobuf",
            "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
        ),
    }
}

/// How a JSON value is written.
enum Shape {
    Text,
    Bool,
    Integer,
    Double,
    /// Any value, as YAML in field 2; JSON is YAML.
    Any,
    /// A list, each member in a field of its own. A single value counts as a list of one.
    Many(&'static Shape),
    /// The value in this field of a message that has nothing else.
    Within(u32, &'static Shape),
    /// One of several fields, chosen by the value.
    OneOf(fn(&Value) -> (u32, &'static Shape)),
    /// Nothing: there is no place for such a value.
    Nothing,
    /// An object whose keys are names: pairs of name (1) and value (2), repeated in this field.
    Named(u32, &'static Shape),
    /// An object whose keys are fields; those that begin with `x-` are pairs, repeated in this one.
    Message(u32, &'static [(&'static str, u32, &'static Shape)]),
}

static TEXTS: Shape = Shape::Many(&Shape::Text);

/// A document in its protobuf form.
pub(super) fn encode(document: &Value, dialect: Dialect) -> Vec<u8> {
    let shape = match dialect {
        Dialect::V2 => &v2::DOCUMENT,
        Dialect::V3 => &v3::DOCUMENT,
    };
    let mut out = Vec::new();
    put_content(document, shape, &mut out);
    out
}

/// Writes a value as one field; as several where it is a list. What is not of the shape is left out.
fn put(number: u32, value: &Value, shape: &Shape, out: &mut Vec<u8>) {
    match (shape, value) {
        (Shape::Text, Value::String(text)) => put_bytes(number, text.as_bytes(), out),
        (Shape::Bool, Value::Bool(flag)) => {
            put_tag(number, 0, out);
            put_varint(u64::from(*flag), out);
        }
        (Shape::Integer, Value::Number(integer)) => {
            put_tag(number, 0, out);
            put_varint(integer.as_i64().unwrap_or_default().cast_unsigned(), out);
        }
        (Shape::Double, Value::Number(double)) => {
            put_tag(number, 1, out);
            out.extend(double.as_f64().unwrap_or_default().to_le_bytes());
        }
        (Shape::Many(shape), Value::Array(list)) => list.iter().for_each(|value| put(number, value, shape, out)),
        (Shape::Many(shape), value) => put(number, value, shape, out),
        (Shape::Text | Shape::Bool | Shape::Integer | Shape::Double | Shape::Nothing, _) => {}
        (Shape::Any | Shape::Within(..) | Shape::OneOf(_) | Shape::Named(..) | Shape::Message(..), _) => {
            let mut content = Vec::new();
            put_content(value, shape, &mut content);
            put_bytes(number, &content, out);
        }
    }
}

/// Writes the fields of a message.
fn put_content(value: &Value, shape: &Shape, out: &mut Vec<u8>) {
    match shape {
        Shape::Any => put_bytes(2, format!("{value}\n").as_bytes(), out),
        Shape::Within(number, shape) => put(*number, value, shape, out),
        Shape::OneOf(choose) => {
            let (number, shape) = choose(value);
            put(number, value, shape, out);
        }
        Shape::Named(number, shape) => {
            let pairs = value.as_object().into_iter().flatten();
            pairs.for_each(|(name, value)| put_pair(*number, name, value, shape, out));
        }
        Shape::Message(extensions, fields) => {
            for (key, number, shape) in *fields {
                if let Some(value) = value.get(key) {
                    put(*number, value, shape, out);
                }
            }
            let pairs = value.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-"));
            pairs.for_each(|(name, value)| put_pair(*extensions, name, value, &Shape::Any, out));
        }
        // no messages
        Shape::Text | Shape::Bool | Shape::Integer | Shape::Double | Shape::Many(_) | Shape::Nothing => {}
    }
}

fn put_pair(number: u32, name: &str, value: &Value, shape: &Shape, out: &mut Vec<u8>) {
    let mut pair = Vec::new();
    put_bytes(1, name.as_bytes(), &mut pair);
    put(2, value, shape, &mut pair);
    put_bytes(number, &pair, out);
}

#[cfg(test)]
mod tests;
