//! `ValidateDefaults`: a default must be something that the schema would take and keep whole.

use crate::custom::rules::Rules;
use api::field::{Error, ErrorList, Path, aggregate};
use api::structural::{Node, type_of, validate as validate_value, validate_embedded, validate_resource};
use serde_json::{Value, json};

/// The types that a schema may have.
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// What is wrong with the defaults anywhere in a structural schema.
pub(super) fn validate(schema: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    walk(schema, path, true, &mut errors);
    errors
}

fn is_embedded(schema: &Value) -> bool {
    schema["x-kubernetes-embedded-resource"] == true
}

/// Whether anything in a schema has a default.
pub(super) fn has_any(schema: &Value) -> bool {
    let below = |name: &str| schema.get(name).is_some_and(has_any);
    default_of(schema).is_some()
        || below("items")
        || below("additionalProperties")
        || schema["properties"].as_object().into_iter().flatten().any(|(_, property)| has_any(property))
}

/// Upstream does not look into `additionalProperties`.
fn walk(schema: &Value, path: &Path, is_root: bool, errors: &mut ErrorList) {
    if let Some(default) = default_of(schema) {
        let at = path.child("default");
        if has_unknown_fields(schema, default) {
            errors.push(Error::invalid(&at, default.clone(), "must not have unknown fields"));
        }
        check(schema, default, &at, errors);
    }
    if let Some(items) = schema.get("items") {
        walk(items, &path.child("items"), false, errors);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let at = path.child("properties").key(name);
        let is_meta = matches!(name.as_str(), "metadata" | "apiVersion" | "kind");
        // Defaults of the resource itself are refused elsewhere.
        if is_meta && is_embedded(schema) {
            walk_meta(property, &mut vec![name], &at, errors);
        } else if !(is_meta && is_root) {
            walk(property, &at, false, errors);
        }
    }
}

fn default_of(schema: &Value) -> Option<&Value> {
    schema.get("default").filter(|default| !default.is_null())
}

/// Below the metadata of an embedded resource: the object around the default must be one. `keys` lead there.
fn walk_meta<'v>(schema: &'v Value, keys: &mut Vec<&'v str>, path: &Path, errors: &mut ErrorList) {
    if let Some(default) = default_of(schema) {
        let at = path.child("default");
        let mut object = json!({"apiVersion": "validation/v1", "kind": "Validation"});
        let around = keys.iter().rev().fold(default.clone(), |value, key| json!({*key: value}));
        if let (Value::Object(object), Value::Object(around)) = (&mut object, around) {
            object.extend(around);
        }
        let wrong = object.as_object().map(|map| validate_resource(map, &Path::default())).unwrap_or_default();
        if wrong.is_empty() {
            check(schema, default, &at, errors);
        } else {
            let words = format!("must result in valid metadata: {}", aggregate(&wrong));
            errors.push(Error::invalid(&at, default.clone(), words));
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        keys.push(name);
        walk_meta(property, keys, &path.child("properties").key(name), errors);
        keys.pop();
    }
}

/// One thing after the other: what is not well formed need not obey rules.
fn check(schema: &Value, default: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(other) = schema["type"].as_str().filter(|kind| !kind.is_empty() && !TYPES.contains(kind)) {
        // that there is no such type is said elsewhere
        let is = type_of(default);
        errors.push(Error::type_invalid(path, is, format!(" in body must be of type {other}: {is:?}")));
        return;
    }
    // Patterns have been compiled by now; a schema that still does not compile is reported by others.
    let Ok(node) = Node::compile(schema) else { return };
    let mut found = ErrorList::new();
    if let Some(map) = default.as_object().filter(|_| is_embedded(schema)) {
        found = validate_resource(map, path);
    }
    found.extend(validate_embedded(&node, default, path));
    if found.is_empty() {
        found = validate_value(&node, default, None, path);
    }
    if found.is_empty()
        && let Some(rules) = Rules::of_part(&node)
    {
        found = rules.validate(&node, default, Some(default), path);
        if found.is_empty() {
            // As if it came new: rules may tell that by an old value that is optional.
            found = rules.validate(&node, default, None, path);
        }
    }
    errors.extend(found);
}

/// Whether pruning would take something away.
fn has_unknown_fields(schema: &Value, value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(name, value)| {
            if let Some(property) = schema["properties"].get(name) {
                return has_unknown_fields(property, value);
            }
            match schema.get("additionalProperties") {
                Some(Value::Bool(true)) => false,
                Some(values @ Value::Object(_)) => has_unknown_fields(values, value),
                _ => {
                    let own = matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
                    schema["x-kubernetes-preserve-unknown-fields"] != true
                        && !(own && schema["x-kubernetes-embedded-resource"] == true)
                }
            }
        }),
        Value::Array(list) => list.iter().any(|item| has_unknown_fields(&schema["items"], item)),
        _ => false,
    }
}
