//! `ValidateCustomResourceDefinitionSubresources`

use super::spec::validate_json_path;
use crate::At;
use api::field::ErrorList;

/// What is wrong with `subresources`.
pub(super) fn validate(subresources: &At<'_, '_>, errors: &mut ErrorList) {
    let scale = subresources.at("scale");
    if !scale.exists() {
        return;
    }
    for (field, root) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
        let path = scale.at(field);
        if path.is_empty() {
            errors.push(path.required(""));
        } else if validate_json_path(&path, errors) && !path.str().starts_with(root) {
            errors.push(path.invalid(format!("should be a json path under {}", root.trim_end_matches('.'))));
        }
    }
    let selector = scale.at("labelSelectorPath");
    if !selector.is_empty()
        && validate_json_path(&selector, errors)
        && !selector.str().starts_with(".spec.")
        && !selector.str().starts_with(".status.")
    {
        errors.push(selector.invalid("should be a json path under either .spec or .status"));
    }
}
