//! The `x-kubernetes-…` members of a custom resource's schema: which go together, and with which types.

use api::field::{Error, ErrorList, Path};
use serde_json::Value;

/// What is wrong with the extensions of one schema.
pub(super) fn validate(schema: &Value, path: &Path, errors: &mut ErrorList) {
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        errors.push(Error::invalid(&at, false, "must be true or undefined"));
    }
    let kind = schema["type"].as_str().unwrap_or_default();
    let wrong_type = |wanted: &str, extension: &str| {
        let words = format!("must be {wanted} if {extension} is specified");
        let at = path.child("type");
        let error = || if kind.is_empty() { Error::required(&at, words) } else { Error::invalid(&at, kind, words) };
        (kind != wanted).then(error)
    };
    let (map_type, list_type) = (schema["x-kubernetes-map-type"].as_str(), schema["x-kubernetes-list-type"].as_str());
    if map_type.is_some() {
        errors.extend(wrong_type("object", "x-kubernetes-map-type"));
    }
    if let Some(other) = map_type.filter(|word| !matches!(*word, "atomic" | "granular")) {
        errors.push(Error::not_supported(&path.child("x-kubernetes-map-type"), other, &["atomic", "granular"]));
    }
    if list_type.is_some() {
        match wrong_type("array", "x-kubernetes-list-type") {
            Some(error) => errors.push(error),
            None => set_items(schema, list_type, path, errors),
        }
    }
    if let Some(other) = list_type.filter(|word| !matches!(*word, "atomic" | "set" | "map")) {
        errors.push(not_a_list_type(other, path));
    }
    list_keys(schema, list_type, path, errors);
    nullable_items(schema, list_type, path, errors);
}

/// Upstream does not sort these.
fn not_a_list_type(other: &str, path: &Path) -> Error {
    let mut error = Error::not_supported(&path.child("x-kubernetes-list-type"), other, &[]);
    error.detail = r#"supported values: "atomic", "set", "map""#.to_owned();
    error
}

/// Items of sets are compared as wholes.
fn set_items(schema: &Value, list_type: Option<&str>, path: &Path, errors: &mut ErrorList) {
    let Some(items) = schema.get("items").filter(|_| list_type == Some("set")) else { return };
    let extension = match items["type"].as_str() {
        Some("object") => "x-kubernetes-map-type",
        Some("array") if items.get("x-kubernetes-list-type").is_some() => "x-kubernetes-list-type",
        _ => return,
    };
    if items[extension] != "atomic" {
        let words = "must be atomic as item of a list with x-kubernetes-list-type=set";
        // Upstream quotes the type of the list in both cases.
        let quoted = items["x-kubernetes-list-type"].clone();
        errors.push(Error::invalid(&path.child("items").child(extension), quoted, words));
    }
}

/// `x-kubernetes-list-map-keys` and what they name.
fn list_keys(schema: &Value, list_type: Option<&str>, path: &Path, errors: &mut ErrorList) {
    let keys_at = path.child("x-kubernetes-list-map-keys");
    let list = &schema["x-kubernetes-list-map-keys"];
    let keys: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let words = "must be map if x-kubernetes-list-map-keys is non-empty";
    let type_at = path.child("x-kubernetes-list-type");
    match list_type {
        None if !keys.is_empty() => errors.push(Error::required(&type_at, words)),
        Some(other) if other != "map" && !keys.is_empty() => errors.push(Error::invalid(&type_at, other, words)),
        Some("map") if keys.is_empty() => {
            errors.push(Error::required(&keys_at, "must not be empty if x-kubernetes-list-type is map"));
        }
        _ => {}
    }
    if list_type != Some("map") {
        return;
    }
    let items_at = path.child("items");
    let Some(items) = schema.get("items") else {
        errors.push(Error::required(&items_at, "must have a schema if x-kubernetes-list-type is map"));
        return;
    };
    let kind = items["type"].as_str().unwrap_or_default();
    if kind != "object" {
        let words = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(Error::invalid(&items_at.child("type"), kind, words));
        return;
    }
    for (at, key) in keys.iter().enumerate() {
        match items["properties"].get(key).map(|property| &property["type"]) {
            None => {
                let words = "entries must all be names of item properties";
                errors.push(Error::invalid(&keys_at, list.clone(), words));
            }
            Some(of_key) if *of_key == "array" || *of_key == "object" => {
                let words = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                let place = items_at.child("properties").key(key).child("type");
                // Upstream quotes the type of the item.
                errors.push(Error::invalid(&place, kind, words));
            }
            Some(_) => {}
        }
        if keys[..at].contains(key) {
            errors.push(Error::invalid(&keys_at, list.clone(), "must not contain duplicate entries"));
        }
    }
}

/// `validateMapListKeysMapSet`: items of sets and maps are there, and so are the keys of a map's items.
fn nullable_items(schema: &Value, list_type: Option<&str>, path: &Path, errors: &mut ErrorList) {
    let (Some(list_type @ ("set" | "map")), Some(items)) = (list_type, schema.get("items")) else { return };
    let at = path.child("items");
    if items["nullable"] == true {
        let words = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(Error::forbidden(&at.child("nullable"), words));
    }
    if list_type != "map" {
        return;
    }
    let strings = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let required = strings(&items["required"]);
    for key in strings(&schema["x-kubernetes-list-map-keys"]) {
        let Some(property) = items["properties"].get(&key) else { continue };
        let place = at.child("properties").key(&key);
        if !required.contains(&key) && property.get("default").is_none() {
            let words = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                         required property";
            errors.push(Error::required(&place.child("default"), words));
        }
        if property["nullable"] == true {
            let words = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(Error::forbidden(&place.child("nullable"), words));
        }
    }
}
