//! The bytes, read field by field.

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
fn every_shape_of_v2() {
    let swagger = json!({
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
    });
    let document = encode(&swagger, Dialect::V2);
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

#[test]
fn every_shape_of_v3() {
    let openapi = json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1"},
        "paths": {"/api/": {
            "parameters": [{"in": "path", "name": "name", "required": true, "schema": {"type": "string"}}],
            "post": {
                "operationId": "create",
                "requestBody": {"content": {"*/*": {"schema": {"$ref": "#/components/schemas/T"}}}},
                "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": {"type": "string"}}}}},
                "x-kubernetes-action": "post",
            },
        }},
        "components": {
            "schemas": {"T": {
                "type": "object", "required": ["a"], "additionalProperties": {"type": "integer"},
                "properties": {
                    "a": {"type": "array", "items": {"type": "string", "default": ""}, "maxItems": 300},
                    "b": {"allOf": [{"$ref": "#/components/schemas/T"}], "default": {}},
                    "c": {"type": "integer", "default": 3}, "d": {"type": "boolean", "default": true},
                },
                "x-kubernetes-group-version-kind": [{"group": "", "kind": "T", "version": "v1"}],
            }},
            "securitySchemes": {"BearerToken": {"type": "apiKey", "in": "header"}},
        },
    });
    let document = encode(&openapi, Dialect::V3);
    assert_eq!(
        (at(&document, &[1]), at(&document, &[2, 1]), at(&document, &[2, 6])),
        (&b"3.0.0"[..], &b"Kubernetes"[..], &b"v1"[..])
    );
    let path = named(at(&document, &[4]), 1, "/api/");
    assert_eq!((at(path, &[13, 1, 1]), at(path, &[13, 1, 2])), (&b"name"[..], &b"path"[..]));
    assert!(fields(at(path, &[13, 1])).any(|field| field == Ok((4, Wire::Varint(1)))));
    assert_eq!(at(path, &[13, 1, 10, 1, 25]), b"string");
    let post = at(path, &[6]);
    assert_eq!(at(post, &[5]), b"create");
    assert_eq!(at(named(at(post, &[7, 1, 2]), 1, "*/*"), &[1, 2, 1]), b"#/components/schemas/T");
    let answer = at(named(at(post, &[8]), 2, "200"), &[1]);
    assert_eq!(at(answer, &[1]), b"OK");
    assert_eq!(at(named(at(answer, &[3]), 1, "application/json"), &[1, 1, 25]), b"string");
    assert_eq!(at(named(post, 13, "x-kubernetes-action"), &[2]), b"\"post\"\n");
    let schema = at(named(at(&document, &[5, 1]), 1, "T"), &[1]);
    assert_eq!((at(schema, &[23]), at(schema, &[32, 1, 1, 25])), (&b"a"[..], &b"integer"[..]));
    let property = |name: &str| at(named(at(schema, &[31]), 1, name), &[1]);
    assert_eq!(at(property("a"), &[30, 1, 1, 25]), b"string");
    assert_eq!(at(property("a"), &[30, 1, 1, 33, 3]), b"");
    assert!(fields(property("a")).any(|field| field == Ok((18, Wire::Varint(300)))));
    // of an object that is a default only this much is left: that there is one
    assert_eq!((at(property("b"), &[26, 2, 1]), at(property("b"), &[33])), (&b"#/components/schemas/T"[..], &b""[..]));
    assert!(fields(at(property("c"), &[33])).eq([Ok((1, Wire::Fixed64(3f64.to_bits())))]));
    assert!(fields(at(property("d"), &[33])).eq([Ok((2, Wire::Varint(1)))]));
    let kinds = at(named(schema, 36, "x-kubernetes-group-version-kind"), &[2]);
    assert_eq!(serde_json::from_slice::<Value>(kinds).unwrap()[0]["kind"], "T");
    assert_eq!(at(named(at(&document, &[5, 7]), 1, "BearerToken"), &[1, 4]), b"header");
}

/// A key without a number would be left out in silence.
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
        Shape::Nothing => {}
        Shape::Text | Shape::Bool | Shape::Integer | Shape::Double | Shape::Any => {
            let mut out = Vec::new();
            put(1, value, shape, &mut out);
            if out.is_empty() {
                missing.insert(format!("{value} in {path}"));
            }
        }
    }
}
#[test]
fn nothing_of_our_documents_is_left_out() {
    let rows: Vec<_> = registry::table().iter().cloned().map(std::sync::Arc::new).collect();
    let openapi = super::super::OpenApi::new(&rows, "v1.36.2");
    let mut missing = std::collections::BTreeSet::new();
    let mut swagger = openapi.v2();
    assert_eq!(swagger.as_object_mut().unwrap().remove("parameters"), Some(json!({}))); // there are none
    check(&swagger, &v2::DOCUMENT, "", &mut missing);
    for (path, (_, subject)) in &openapi.subjects {
        check(&openapi.v3(path, subject), &v3::DOCUMENT, "", &mut missing);
    }
    assert!(missing.is_empty(), "{missing:?}");
}
