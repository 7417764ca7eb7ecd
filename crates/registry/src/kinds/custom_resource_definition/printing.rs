//! Go structs of the internal form as messages quote them.

use super::internal::Part;
use crate::At;
use crate::go_text::{go_list_text, go_text};
use serde_json::Value;

const VERSION: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion";
const RULE: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule";

/// `spec.versions`, without what all versions have in common.
pub(super) fn versions(spec: &At<'_, '_>) -> String {
    let parts = [Part::Schema, Part::Subresources, Part::Columns, Part::SelectableFields];
    let mut versions = spec.at("versions").value().and_then(Value::as_array).cloned().unwrap_or_default();
    for part in parts.iter().filter(|part| part.is_common(spec)) {
        for version in versions.iter_mut().filter_map(Value::as_object_mut) {
            version.remove(part.field());
        }
    }
    go_list_text(VERSION, &versions)
}

/// One entry of `x-kubernetes-validations`.
pub(super) fn rule(rule: &Value) -> String {
    go_text(RULE, Some(rule))
}
