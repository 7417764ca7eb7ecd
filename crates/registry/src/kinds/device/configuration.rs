//! Parameters for drivers, which only they understand.

use super::refuse_duplicates;
use crate::At;
use crate::kinds::csi::validate_driver_name;
use api::field::ErrorList;
use serde_json::Value;

/// The most that parameters take as JSON, in bytes.
const MAX_PARAMETERS_BYTES: usize = 10 * 1024;
/// As many requests as a claim may have can be named.
pub(super) const MAX_REQUESTS: usize = 32;

/// `validateDeviceConfiguration`. What is `stored` may be larger than what can be written now.
pub(super) fn validate_configuration(configuration: &At, stored: bool, errors: &mut ErrorList) {
    let opaque = configuration.at("opaque");
    if !opaque.exists() {
        errors.push(opaque.required(""));
        return;
    }
    validate_driver_name(&opaque.at("driver"), errors);
    let max = if stored { usize::MAX } else { MAX_PARAMETERS_BYTES };
    validate_raw(&opaque.at("parameters"), max, errors);
}

/// `validateRawExtension`: an object of at most so many bytes.
pub(super) fn validate_raw(raw: &At, max_bytes: usize, errors: &mut ErrorList) {
    match raw.value() {
        None | Some(Value::Null) => errors.push(raw.required("")),
        Some(value) if value.to_string().len() > max_bytes => errors.push(raw.too_long(max_bytes)),
        Some(Value::Object(_)) => {}
        Some(_) => errors.push(raw.invalid_value("<value omitted>", "must be a valid JSON object")),
    }
}

/// The requests that a configuration or a constraint is about.
pub(super) fn validate_request_names(list: &At, known: &super::claim_spec::RequestNames<'_>, errors: &mut ErrorList) {
    if list.is_too_many(errors, MAX_REQUESTS) {
        return;
    }
    list.items().for_each(|name| known.validate(&name, errors));
    refuse_duplicates(list, |item| item.str(), errors);
}
