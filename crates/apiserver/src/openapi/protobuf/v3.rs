//! The field numbers of `openapi.v3.Document`.

use super::Shape::{self, Any, Bool, Double, Integer, Many, Message, Named, Nothing, OneOf, Text, Within};
use super::TEXTS;
use serde_json::Value;

pub(super) static DOCUMENT: Shape = Message(
    9,
    &[
        ("openapi", 1, &Text),
        ("info", 2, &INFO),
        ("paths", 4, &Named(1, &PATH_ITEM)),
        ("components", 5, &COMPONENTS),
        ("security", 6, &Many(&Named(1, &Within(1, &TEXTS)))),
    ],
);

static INFO: Shape = Message(7, &[("title", 1, &Text), ("description", 2, &Text), ("version", 6, &Text)]);

static COMPONENTS: Shape =
    Message(10, &[("schemas", 1, &Named(1, &SCHEMA_HERE)), ("securitySchemes", 7, &Named(1, &Within(1, &API_KEY)))]);

static API_KEY: Shape =
    Message(9, &[("type", 1, &Text), ("description", 2, &Text), ("name", 3, &Text), ("in", 4, &Text)]);

static PATH_ITEM: Shape = Message(
    14,
    &[
        ("get", 4, &OPERATION),
        ("put", 5, &OPERATION),
        ("post", 6, &OPERATION),
        ("delete", 7, &OPERATION),
        ("options", 8, &OPERATION),
        ("head", 9, &OPERATION),
        ("patch", 10, &OPERATION),
        ("parameters", 13, &PARAMETERS),
    ],
);

static OPERATION: Shape = Message(
    13,
    &[
        ("tags", 1, &TEXTS),
        ("summary", 2, &Text),
        ("description", 3, &Text),
        ("operationId", 5, &Text),
        ("parameters", 6, &PARAMETERS),
        ("requestBody", 7, &Within(1, &REQUEST_BODY)),
        ("responses", 8, &Named(2, &Within(1, &RESPONSE))),
        ("deprecated", 10, &Bool),
    ],
);

static PARAMETERS: Shape = Many(&Within(1, &PARAMETER));

static PARAMETER: Shape = Message(
    14,
    &[
        ("name", 1, &Text),
        ("in", 2, &Text),
        ("description", 3, &Text),
        ("required", 4, &Bool),
        ("schema", 10, &SCHEMA_HERE),
    ],
);

static REQUEST_BODY: Shape = Message(4, &[("description", 1, &Text), ("content", 2, &CONTENT), ("required", 3, &Bool)]);

static RESPONSE: Shape = Message(5, &[("description", 1, &Text), ("content", 3, &CONTENT)]);

static CONTENT: Shape = Named(1, &Message(5, &[("schema", 1, &SCHEMA_HERE)]));

/// A schema or the name of one.
static SCHEMA_HERE: Shape = OneOf(schema_or_reference);

fn schema_or_reference(value: &Value) -> (u32, &'static Shape) {
    if value.get("$ref").is_some() { (2, &REFERENCE) } else { (1, &SCHEMA) }
}

static REFERENCE: Shape = Message(0, &[("$ref", 1, &Text), ("description", 3, &Text)]);

static SCHEMA: Shape = Message(
    36,
    &[
        ("nullable", 1, &Bool),
        ("readOnly", 3, &Bool),
        ("example", 7, &Any),
        ("title", 9, &Text),
        ("multipleOf", 10, &Double),
        ("maximum", 11, &Double),
        ("exclusiveMaximum", 12, &Bool),
        ("minimum", 13, &Double),
        ("exclusiveMinimum", 14, &Bool),
        ("maxLength", 15, &Integer),
        ("minLength", 16, &Integer),
        ("pattern", 17, &Text),
        ("maxItems", 18, &Integer),
        ("minItems", 19, &Integer),
        ("uniqueItems", 20, &Bool),
        ("maxProperties", 21, &Integer),
        ("minProperties", 22, &Integer),
        ("required", 23, &TEXTS),
        ("enum", 24, &Many(&Any)),
        ("type", 25, &Text),
        ("allOf", 26, &Many(&SCHEMA_HERE)),
        ("oneOf", 27, &Many(&SCHEMA_HERE)),
        ("anyOf", 28, &Many(&SCHEMA_HERE)),
        ("not", 29, &SCHEMA),
        ("items", 30, &Within(1, &SCHEMA_HERE)),
        ("properties", 31, &Named(1, &SCHEMA_HERE)),
        ("additionalProperties", 32, &OneOf(additional_properties)),
        ("default", 33, &OneOf(default_value)),
        ("description", 34, &Text),
        ("format", 35, &Text),
    ],
);

fn additional_properties(value: &Value) -> (u32, &'static Shape) {
    if value.is_boolean() { (2, &Bool) } else { (1, &SCHEMA_HERE) }
}

/// Only numbers, booleans and texts have a place; gnostic forgets which object or list was the default.
fn default_value(value: &Value) -> (u32, &'static Shape) {
    match value {
        Value::Number(_) => (1, &Double),
        Value::Bool(_) => (2, &Bool),
        Value::String(_) => (3, &Text),
        _ => (0, &Nothing),
    }
}
