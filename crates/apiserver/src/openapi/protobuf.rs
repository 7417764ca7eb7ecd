//! The protobuf form of the v2 document: gnostic's `openapi.v2.Document`, the only form of v2 that kubectl asks for. It
//! does so when the v3 document of a group and version does not have a kind, before it says that there is no such kind.
//!
//! The shapes are a table of which key has which field number; one function writes a document by it. What not: shapes
//! that our documents never have (forms, headers, OAuth, examples), and reading.

use crate::protobuf::wire::{put_bytes, put_tag, put_varint};
use serde_json::Value;

/// What clients ask for.
pub(super) const ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// What the answer is called, which may be asked for too: `@` has no place in a media type.
pub(super) const ANSWERED: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

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
    /// One of several messages, chosen by the value.
    OneOf(fn(&Value) -> (u32, &'static Shape)),
    /// An object whose keys are names: pairs of name (1) and value (2), repeated in this field.
    Named(u32, &'static Shape),
    /// An object whose keys are fields; those that begin with `x-` are pairs, repeated in this one.
    Message(u32, &'static [(&'static str, u32, &'static Shape)]),
}

use Shape::{Any, Bool, Double, Integer, Many, Message, Named, OneOf, Text, Within};

static TEXTS: Shape = Many(&Text);

static DOCUMENT: Shape = Message(
    16,
    &[
        ("swagger", 1, &Text),
        ("info", 2, &INFO),
        ("host", 3, &Text),
        ("basePath", 4, &Text),
        ("schemes", 5, &TEXTS),
        ("consumes", 6, &TEXTS),
        ("produces", 7, &TEXTS),
        ("paths", 8, &Named(2, &PATH_ITEM)),
        ("definitions", 9, &Named(1, &SCHEMA)),
        ("security", 12, &Many(&Named(1, &Within(1, &TEXTS)))),
        ("securityDefinitions", 13, &Named(1, &Within(2, &API_KEY))),
    ],
);

static INFO: Shape = Message(7, &[("title", 1, &Text), ("version", 2, &Text), ("description", 3, &Text)]);

static API_KEY: Shape =
    Message(5, &[("type", 1, &Text), ("name", 2, &Text), ("in", 3, &Text), ("description", 4, &Text)]);

static PATH_ITEM: Shape = Message(
    10,
    &[
        ("get", 2, &OPERATION),
        ("put", 3, &OPERATION),
        ("post", 4, &OPERATION),
        ("delete", 5, &OPERATION),
        ("options", 6, &OPERATION),
        ("head", 7, &OPERATION),
        ("patch", 8, &OPERATION),
        ("parameters", 9, &PARAMETERS),
    ],
);

static OPERATION: Shape = Message(
    13,
    &[
        ("tags", 1, &TEXTS),
        ("summary", 2, &Text),
        ("description", 3, &Text),
        ("operationId", 5, &Text),
        ("produces", 6, &TEXTS),
        ("consumes", 7, &TEXTS),
        ("parameters", 8, &PARAMETERS),
        ("responses", 9, &Named(1, &Within(1, &RESPONSE))),
        ("schemes", 10, &TEXTS),
        ("deprecated", 11, &Bool),
    ],
);

static RESPONSE: Shape = Message(5, &[("description", 1, &Text), ("schema", 2, &Within(1, &SCHEMA))]);

static PARAMETERS: Shape = Many(&Within(1, &OneOf(parameter)));

/// A parameter is told by where it stands: the body, or else the query or the path.
fn parameter(value: &Value) -> (u32, &'static Shape) {
    if value["in"] == "body" { (1, &BODY_PARAMETER) } else { (2, &OneOf(other_parameter)) }
}

fn other_parameter(value: &Value) -> (u32, &'static Shape) {
    if value["in"] == "path" { (4, &PATH_PARAMETER) } else { (3, &QUERY_PARAMETER) }
}

static BODY_PARAMETER: Shape = Message(
    6,
    &[("description", 1, &Text), ("name", 2, &Text), ("in", 3, &Text), ("required", 4, &Bool), ("schema", 5, &SCHEMA)],
);

static QUERY_PARAMETER: Shape = Message(
    23,
    &[
        ("required", 1, &Bool),
        ("in", 2, &Text),
        ("description", 3, &Text),
        ("name", 4, &Text),
        ("type", 6, &Text),
        ("format", 7, &Text),
        ("uniqueItems", 20, &Bool),
    ],
);

static PATH_PARAMETER: Shape = Message(
    22,
    &[
        ("required", 1, &Bool),
        ("in", 2, &Text),
        ("description", 3, &Text),
        ("name", 4, &Text),
        ("type", 5, &Text),
        ("format", 6, &Text),
        ("uniqueItems", 19, &Bool),
    ],
);

static SCHEMA: Shape = Message(
    31,
    &[
        ("$ref", 1, &Text),
        ("format", 2, &Text),
        ("title", 3, &Text),
        ("description", 4, &Text),
        ("default", 5, &Any),
        ("multipleOf", 6, &Double),
        ("maximum", 7, &Double),
        ("exclusiveMaximum", 8, &Bool),
        ("minimum", 9, &Double),
        ("exclusiveMinimum", 10, &Bool),
        ("maxLength", 11, &Integer),
        ("minLength", 12, &Integer),
        ("pattern", 13, &Text),
        ("maxItems", 14, &Integer),
        ("minItems", 15, &Integer),
        ("uniqueItems", 16, &Bool),
        ("maxProperties", 17, &Integer),
        ("minProperties", 18, &Integer),
        ("required", 19, &TEXTS),
        ("enum", 20, &Many(&Any)),
        ("additionalProperties", 21, &OneOf(additional_properties)),
        ("type", 22, &Within(1, &TEXTS)),
        ("items", 23, &Within(1, &Many(&SCHEMA))),
        ("allOf", 24, &Many(&SCHEMA)),
        ("properties", 25, &Named(1, &SCHEMA)),
        ("readOnly", 27, &Bool),
        ("example", 30, &Any),
    ],
);

fn additional_properties(value: &Value) -> (u32, &'static Shape) {
    if value.is_boolean() { (2, &Bool) } else { (1, &SCHEMA) }
}

/// A v2 document in its protobuf form.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_content(document, &DOCUMENT, &mut out);
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
        (Shape::Text | Shape::Bool | Shape::Integer | Shape::Double, _) => {}
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
            pairs.for_each(|(name, value)| put_pair(*extensions, name, value, &Any, out));
        }
        Shape::Text | Shape::Bool | Shape::Integer | Shape::Double | Shape::Many(_) => {} // no messages
    }
}

fn put_pair(number: u32, name: &str, value: &Value, shape: &Shape, out: &mut Vec<u8>) {
    let mut pair = Vec::new();
    put_bytes(1, name.as_bytes(), &mut pair);
    put(2, value, shape, &mut pair);
    put_bytes(number, &pair, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::wire::{Wire, fields};
    use serde_json::json;

    /// The bytes of a message's fields with this number.
    fn all(message: &[u8], number: u32) -> Vec<&[u8]> {
        let of_number = |field| match field {
            Ok((found, Wire::Bytes(bytes))) if found == number => Some(bytes),
            _ => None,
        };
        fields(message).filter_map(of_number).collect()
    }

    /// What stands at a path of field numbers, each there once.
    fn at<'a>(message: &'a [u8], path: &[u32]) -> &'a [u8] {
        path.iter().fold(message, |message, number| {
            let [only] = all(message, *number)[..] else { panic!("{number} of {path:?}") };
            only
        })
    }

    /// The value of the pair with this name, of the pairs in this field.
    fn named<'a>(message: &'a [u8], number: u32, name: &str) -> &'a [u8] {
        let pairs = all(message, number);
        let pair = pairs.iter().find(|pair| at(pair, &[1]) == name.as_bytes()).unwrap_or_else(|| panic!("no {name}"));
        at(pair, &[2])
    }

    #[test]
    fn every_shape() {
        let document = encode(&json!({
            "swagger": "2.0",
            "paths": {"/api/": {
                "parameters": [{"in": "path", "name": "name", "type": "string", "required": true}],
                "post": {
                    "operationId": "create", "consumes": ["*/*"],
                    "parameters": [{"in": "body", "name": "body", "schema": {"$ref": "#/definitions/T"}}, {"in": "query", "name": "q"}],
                    "responses": {"200": {"description": "OK", "schema": {"type": "string"}}},
                    "x-kubernetes-action": "post",
                },
            }},
            "definitions": {"T": {
                "type": "object", "required": ["a", "b"], "additionalProperties": {"type": "integer"},
                "properties": {"a": {"type": "array", "items": {"type": "string"}, "maxItems": 300, "default": []}},
                "x-kubernetes-group-version-kind": [{"group": "", "kind": "T", "version": "v1"}],
            }},
            "security": [{"BearerToken": []}],
            "securityDefinitions": {"BearerToken": {"type": "apiKey"}},
        }));
        assert_eq!(at(&document, &[1]), b"2.0");
        let path = named(at(&document, &[8]), 2, "/api/");
        assert_eq!(at(path, &[9, 1, 2, 4, 4]), b"name");
        assert!(fields(at(path, &[9, 1, 2, 4])).any(|field| field == Ok((1, Wire::Varint(1)))));
        let post = at(path, &[4]);
        assert_eq!((at(post, &[5]), at(post, &[7])), (&b"create"[..], &b"*/*"[..]));
        let parameters = all(post, 8);
        assert_eq!(at(parameters[0], &[1, 1, 5, 1]), b"#/definitions/T");
        assert_eq!(at(parameters[1], &[1, 2, 3, 4]), b"q");
        assert_eq!(at(named(at(post, &[9]), 1, "200"), &[1, 2, 1, 22, 1]), b"string");
        assert_eq!(at(named(post, 13, "x-kubernetes-action"), &[2]), b"\"post\"\n");
        let definition = named(at(&document, &[9]), 1, "T");
        assert_eq!(all(definition, 19), [b"a", b"b"]);
        assert_eq!(at(definition, &[21, 1, 22, 1]), b"integer");
        let property = named(at(definition, &[25]), 1, "a");
        assert_eq!(at(property, &[23, 1, 22, 1]), b"string");
        assert_eq!(at(property, &[5, 2]), b"[]\n");
        assert!(fields(property).any(|field| field == Ok((14, Wire::Varint(300)))));
        let kinds = at(named(definition, 31, "x-kubernetes-group-version-kind"), &[2]);
        assert_eq!(serde_json::from_slice::<Value>(kinds).unwrap()[0]["kind"], "T");
        assert_eq!(named(at(&document, &[12]), 1, "BearerToken"), b"");
        assert_eq!(at(named(at(&document, &[13]), 1, "BearerToken"), &[2, 1]), b"apiKey");
    }

    /// A key without a number would be left out in silence.
    #[test]
    fn nothing_of_our_document_is_left_out() {
        fn check(value: &Value, shape: &Shape, path: &str, missing: &mut std::collections::BTreeSet<String>) {
            match shape {
                Shape::Many(shape) => match value {
                    Value::Array(list) => list.iter().for_each(|value| check(value, shape, path, missing)),
                    value => check(value, shape, path, missing),
                },
                Shape::Within(_, shape) => check(value, shape, path, missing),
                Shape::OneOf(choose) => check(value, choose(value).1, path, missing),
                Shape::Named(_, shape) => {
                    value.as_object().unwrap().values().for_each(|value| check(value, shape, path, missing));
                }
                Shape::Message(_, fields) => {
                    for (key, value) in value.as_object().unwrap().iter().filter(|(key, _)| !key.starts_with("x-")) {
                        match fields.iter().find(|(known, ..)| known == key) {
                            Some((.., shape)) => check(value, shape, key, missing),
                            None => {
                                missing.insert(format!("{key} in {path}"));
                            }
                        }
                    }
                }
                Shape::Text | Shape::Bool | Shape::Integer | Shape::Double | Shape::Any => {
                    let mut out = Vec::new();
                    put(1, value, shape, &mut out);
                    if out.is_empty() {
                        missing.insert(format!("{value} in {path}"));
                    }
                }
            }
        }
        let rows: Vec<_> = registry::table().iter().cloned().map(std::sync::Arc::new).collect();
        let mut document = super::super::OpenApi::new(&rows, "v1.36.2").v2();
        assert_eq!(document.as_object_mut().unwrap().remove("parameters"), Some(json!({}))); // there are none
        let mut missing = std::collections::BTreeSet::new();
        check(&document, &DOCUMENT, "", &mut missing);
        assert!(missing.is_empty(), "{missing:?}");
    }
}
