//! `ValidateDefaults`: a default must be something that the schema would take and keep whole.

use api::field::{Error, ErrorList, Path};
use api::structural::{Node, validate as validate_value, validate_embedded, validate_lists};
use serde_json::Value;

/// What is wrong with the defaults anywhere in a structural schema.
pub(super) fn validate(schema: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    walk(schema, path, true, &mut errors);
    errors
}

fn walk(schema: &Value, path: &Path, is_root: bool, errors: &mut ErrorList) {
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        check(schema, default, &path.child("default"), errors);
    }
    if let Some(items) = schema.get("items") {
        walk(items, &path.child("items"), false, errors);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        // Defaults in the metadata of the resource itself are refused elsewhere.
        if is_root && name == "metadata" {
            continue;
        }
        walk(property, &path.child("properties").key(name), false, errors);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        walk(values, &path.child("additionalProperties"), false, errors);
    }
}

fn check(schema: &Value, default: &Value, path: &Path, errors: &mut ErrorList) {
    if has_unknown_fields(schema, default) {
        errors.push(Error::invalid(path, default.clone(), "must not have unknown fields"));
    }
    // Patterns have been compiled by now; a schema that still does not compile is reported by others.
    let Ok(node) = Node::compile(schema) else { return };
    errors.extend(validate_embedded(&node, default, path));
    let found = validate_value(&node, default, None, path);
    errors.extend(found);
    errors.extend(validate_lists(&node, default, path));
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
