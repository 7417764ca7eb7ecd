//! Conditions of the common type (`k8s.io/apimachinery/pkg/apis/meta/v1/validation`).

use crate::At;
use crate::labels::validate_label_name;
use api::field::ErrorList;
use std::collections::BTreeSet;

/// The longest reason and the longest message, in bytes.
const MAX_REASON_BYTES: usize = 1024;
const MAX_MESSAGE_BYTES: usize = 32 * 1024;

/// `ValidateConditions`: one of each type, each complete.
pub(crate) fn validate_conditions(conditions: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for condition in conditions.items() {
        let kind = condition.at("type");
        if !seen.insert(kind.str()) {
            errors.push(kind.duplicate());
        }
        validate_condition(&condition, errors);
    }
}

fn validate_condition(condition: &At, errors: &mut ErrorList) {
    validate_label_name(&condition.at("type"), errors);
    let status = condition.at("status");
    if !matches!(status.str(), "False" | "True" | "Unknown") {
        errors.push(status.not_supported(&["False", "True", "Unknown"]));
    }
    let generation = condition.at("observedGeneration");
    if generation.int().is_some_and(|n| n < 0) {
        errors.push(generation.invalid("must be greater than or equal to zero"));
    }
    condition.at("lastTransitionTime").require(errors);
    let (reason, message) = (condition.at("reason"), condition.at("message"));
    reason.require_and_check(errors, crate::names::condition_reason);
    if reason.len() > MAX_REASON_BYTES {
        errors.push(reason.too_long(MAX_REASON_BYTES));
    }
    if message.len() > MAX_MESSAGE_BYTES {
        errors.push(message.too_long(MAX_MESSAGE_BYTES));
    }
}
