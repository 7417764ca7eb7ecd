//! From `openAPIV3Schema` to [`Node`].

use super::format;
use super::node::{Additional, Bound, JsonType, ListKind, Node, RuleSource};
use super::pattern::{Pattern, PatternError};
use crate::schema::MAX_SCHEMA_DEPTH;
use serde_json::{Map, Value};

/// Why a schema cannot be compiled. Schemas that have passed validation always can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More than [`MAX_SCHEMA_DEPTH`] levels.
    #[error("schema is nested more than {MAX_SCHEMA_DEPTH} levels deep")]
    TooDeep,
    /// A `pattern` is no regular expression.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl Node {
    /// Compiles an `openAPIV3Schema`.
    ///
    /// # Errors
    /// [`CompileError`].
    pub fn compile(schema: &Value) -> Result<Self, CompileError> {
        node(schema, 0)
    }
}

fn node(schema: &Value, depth: usize) -> Result<Node, CompileError> {
    if depth > MAX_SCHEMA_DEPTH {
        return Err(CompileError::TooDeep);
    }
    let empty = Map::new();
    let map = schema.as_object().unwrap_or(&empty);
    let flag = |name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
    let count = |name: &str| map.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let number = |name: &str| map.get(name).and_then(Value::as_f64);
    let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| -> Result<Vec<Node>, CompileError> {
        items_of(map, name).map(|item| node(item, depth + 1)).collect()
    };
    let bound = |name: &str, exclusive: &str| number(name).map(|value| Bound { value, exclusive: flag(exclusive) });
    let boxed = |name: &str| -> Result<Option<Box<Node>>, CompileError> {
        match map.get(name) {
            Some(below @ Value::Object(_)) => Ok(Some(Box::new(node(below, depth + 1)?))),
            _ => Ok(None),
        }
    };
    let mut properties = std::collections::BTreeMap::new();
    for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
        properties.insert(name.clone(), node(property, depth + 1)?);
    }
    let additional = match map.get("additionalProperties") {
        Some(Value::Bool(true)) => Additional::Any,
        Some(Value::Bool(false)) => Additional::Forbidden,
        Some(below @ Value::Object(_)) => Additional::Of(Box::new(node(below, depth + 1)?)),
        _ => Additional::Unsaid,
    };
    let pattern = match text("pattern") {
        "" => None,
        source => Some(Pattern::compile(source)?),
    };
    Ok(Node {
        kind: JsonType::parse(text("type")),
        int_or_string: flag("x-kubernetes-int-or-string"),
        nullable: flag("nullable"),
        format: format::supported(text("format")).to_owned(),
        default: map.get("default").filter(|value| !value.is_null()).cloned(),
        values: items_of(map, "enum").cloned().collect(),
        minimum: bound("minimum", "exclusiveMinimum"),
        maximum: bound("maximum", "exclusiveMaximum"),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        pattern,
        min_items: count("minItems"),
        max_items: count("maxItems"),
        unique_items: flag("uniqueItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        required: items_of(map, "required").filter_map(Value::as_str).map(str::to_owned).collect(),
        properties,
        additional,
        items: boxed("items")?,
        all_of: list("allOf")?,
        any_of: list("anyOf")?,
        one_of: list("oneOf")?,
        not: boxed("not")?,
        preserve_unknown_fields: flag("x-kubernetes-preserve-unknown-fields"),
        embedded_resource: flag("x-kubernetes-embedded-resource"),
        list_kind: match text("x-kubernetes-list-type") {
            "set" => ListKind::Set,
            "map" => {
                let keys = items_of(map, "x-kubernetes-list-map-keys").filter_map(Value::as_str);
                ListKind::Map(keys.map(str::to_owned).collect())
            }
            _ => ListKind::Atomic,
        },
        rules: items_of(map, "x-kubernetes-validations").map(rule).collect(),
    })
}

fn items_of<'a>(map: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    map.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn rule(value: &Value) -> RuleSource {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    RuleSource {
        rule: text("rule"),
        message: text("message"),
        message_expression: text("messageExpression"),
        reason: value.get("reason").and_then(Value::as_str).map(str::to_owned),
        field_path: text("fieldPath"),
        optional_old_self: value.get("optionalOldSelf").and_then(Value::as_bool),
    }
}
