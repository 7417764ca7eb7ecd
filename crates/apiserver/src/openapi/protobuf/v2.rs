//! The field numbers of `openapi.v2.Document`, the only form of v2 that kubectl asks for. It does so when the v3 document of
//! a group and version does not have a kind, before it says that there is no such kind.

use super::Shape::{self, Any, Bool, Double, Integer, Many, Message, Named, OneOf, Text, Within};
use super::TEXTS;
use serde_json::Value;

pub(super) static DOCUMENT: Shape = Message(
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
