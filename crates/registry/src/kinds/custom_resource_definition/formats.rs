//! The formats that a custom resource's schema names.

use api::structural::format;
use serde_json::Value;

/// Formats that are ignored since nobody knows them; each once.
pub(super) fn unrecognized(spec: &Value) -> Vec<String> {
    fn walk(schema: &Value, found: &mut Vec<String>) {
        if let Some(name) = schema["format"].as_str()
            && !name.is_empty()
            && format::supported(name).is_empty()
            && !found.iter().any(|one| one == name)
        {
            found.push(name.to_owned());
        }
        for below in ["items", "additionalProperties", "not"] {
            if let Some(below) = schema.get(below) {
                walk(below, found);
            }
        }
        for below in ["allOf", "anyOf", "oneOf"] {
            schema[below].as_array().into_iter().flatten().for_each(|below| walk(below, found));
        }
        schema["properties"].as_object().into_iter().flatten().for_each(|(_, below)| walk(below, found));
    }
    let mut found = Vec::new();
    for version in spec["versions"].as_array().into_iter().flatten() {
        walk(&version["schema"]["openAPIV3Schema"], &mut found);
    }
    found.sort();
    found
}
