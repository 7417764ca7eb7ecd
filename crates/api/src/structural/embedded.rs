//! Embedded resources: a type and sound metadata (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta`).

use super::node::Node;
use crate::field::{Error, ErrorList, Path};
use crate::names;
use serde_json::{Map, Value, json};

/// What is wrong with the objects at places marked `x-kubernetes-embedded-resource`. The value itself is not one.
pub fn validate_embedded(node: &Node, value: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    node.each_below(value, path, |node, value, path| walk(node, value, path, &mut errors));
    errors
}

fn walk(node: &Node, value: &Value, path: &Path, errors: &mut ErrorList) {
    if node.embedded_resource
        && let Value::Object(map) = value
    {
        errors.extend(validate_resource(map, path));
    }
    node.each_below(value, path, |node, value, path| walk(node, value, path, errors));
}

/// What is wrong with the type and the metadata of one object.
pub fn validate_resource(map: &Map<String, Value>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for field in ["apiVersion", "kind"] {
        let at = path.child(field);
        match map.get(field) {
            None => errors.push(Error::required(&at, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(Error::invalid(&at, text.as_str(), "must not be empty"));
            }
            Some(Value::String(text)) if field == "kind" => {
                let wrong = names::dns1035_label(&text.to_lowercase());
                if !wrong.is_empty() {
                    let words = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                    errors.push(Error::invalid(&at, text.as_str(), words));
                }
            }
            Some(Value::String(text)) if text.matches('/').count() > 1 => {
                let words = format!("unexpected GroupVersion string: {text}");
                errors.push(Error::invalid(&at, text.as_str(), words));
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.push(Error::invalid(&at, other.clone(), "must be a string")),
        }
    }
    if let Some(Value::Object(metadata)) = map.get("metadata") {
        let mut metadata = metadata.clone();
        let unnamed = metadata.get("name").and_then(Value::as_str).unwrap_or_default().is_empty();
        if unnamed {
            metadata.insert("name".to_owned(), "fakename".into());
        }
        let namespaced = metadata.get("namespace").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        let found = crate::objectmeta::validate(&json!({"metadata": metadata}), namespaced, |name, _| {
            names::path_segment(name)
        });
        let below = |error: Error| Error { field: path.child(&error.field).to_string(), ..error };
        errors.extend(found.into_iter().map(below));
    }
    errors
}
