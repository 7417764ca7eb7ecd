//! From objects to bytes: JSON with sorted keys, and YAML as upstream prints it for `Accept: application/yaml`.

use super::yaml_emit;
use serde_json::Value;

/// Canonical JSON: sorted keys, no spaces, no line break at the end.
pub fn encode_json(value: &Value) -> Vec<u8> {
    // A `Value` has string keys and finite numbers only, and a `Vec` takes every byte: this cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}

/// YAML as `sigs.k8s.io/yaml` writes it: sorted keys, two spaces, lists not indented, long lines folded at 80 columns.
pub fn encode_yaml(value: &Value) -> String {
    yaml_emit::emit(value)
}
