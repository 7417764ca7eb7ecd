//! Types of custom resources as OpenAPI has them: what the definition says, with the members that every object has.

use super::Dialect;
use super::descriptions::{API_VERSION, KIND};
use super::schemas::reference;
use registry::Resource;
use serde_json::{Map, Value, json};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
/// What these types refer to.
pub(super) const REFERRED: [&str; 2] = [OBJECT_META, LIST_META];
const CONVENTIONS: &str = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

/// The definitions of a row's objects and of their lists; none for a built-in row.
pub(super) fn definitions(row: &Resource, dialect: Dialect) -> Vec<(String, Value)> {
    let Some(custom) = &row.custom else { return Vec::new() };
    let mut object = custom.open_api.clone();
    if dialect == Dialect::V2 {
        simplify(&mut object);
    }
    if !object.is_object() {
        object = json!({});
    }
    object["type"] = "object".into();
    let described = |words: &str| json!({"type": "string", "description": words});
    let metadata = |name: &str, words: String| match dialect {
        Dialect::V3 => json!({"allOf": [reference(name, dialect)], "description": words}),
        Dialect::V2 => {
            let mut value = reference(name, dialect);
            value["description"] = words.into();
            value
        }
    };
    if let Some(map) = object.as_object_mut() {
        let properties = map.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        properties["apiVersion"] = described(API_VERSION);
        properties["kind"] = described(KIND);
        let words = format!("Standard object's metadata. More info: {CONVENTIONS}#metadata");
        properties["metadata"] = metadata(OBJECT_META, words);
    }
    let kinds = |kind: &str| json!([{"group": &*row.group, "kind": kind, "version": &*row.version}]);
    object["x-kubernetes-group-version-kind"] = kinds(&row.kind);
    let items = json!({"type": "array", "items": reference(&row.definition, dialect),
        "description": format!("List of {}. More info: {CONVENTIONS}", row.plural)});
    let words = format!("Standard list metadata. More info: {CONVENTIONS}#types-kinds");
    let list = json!({
        "description": format!("{} is a list of {}", custom.list_kind, row.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": described(API_VERSION), "kind": described(KIND), "items": items,
            "metadata": metadata(LIST_META, words),
        },
        "x-kubernetes-group-version-kind": kinds(&custom.list_kind),
    });
    vec![(row.definition.to_string(), object), (format!("{}List", row.definition), list)]
}

/// Version 2 cannot say what may be null, or be one of several: clients that know no better must not be misled.
fn simplify(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    for name in ["oneOf", "anyOf", "allOf", "not"] {
        map.remove(name);
    }
    let is_true = |map: &Map<String, Value>, name: &str| map.get(name) == Some(&Value::Bool(true));
    let open = is_true(map, "nullable")
        || is_true(map, "x-kubernetes-preserve-unknown-fields")
        || is_true(map, "x-kubernetes-int-or-string");
    map.remove("nullable");
    if open {
        for name in ["type", "properties", "items", "additionalProperties", "required"] {
            map.remove(name);
        }
    }
    for name in ["items", "additionalProperties"] {
        if let Some(below) = map.get_mut(name) {
            simplify(below);
        }
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(simplify);
    }
}
