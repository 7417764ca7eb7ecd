//! What deployments and sets share: a selector, a template that it must match, and counts in the status.

use crate::At;
use crate::labels::{LABEL_SELECTOR, selector_matches, validate_label_selector};
use crate::object::validate_immutable_struct;
use crate::pod::validate_pod_template;
use api::field::ErrorList;
use serde_json::Value;

/// The selector must be there, be valid and select something. Errors speak of deployments, as upstream's do for
/// replica sets too. False where the selector is unusable, so that the template is not looked at.
pub(super) fn validate_selector(spec: &At, errors: &mut ErrorList) -> bool {
    let selector = spec.at("selector");
    if !selector.exists() {
        errors.push(selector.required(""));
        return true;
    }
    validate_label_selector(&selector, errors);
    if is_empty(&selector) {
        errors.push(selector.invalid_struct(LABEL_SELECTOR, "empty selector is invalid for deployment"));
    }
    let usable = is_usable(&selector);
    if !usable {
        errors.push(selector.invalid_struct(LABEL_SELECTOR, "invalid label selector"));
    }
    usable
}

/// Selects everything.
pub(super) fn is_empty(selector: &At) -> bool {
    selector.at("matchLabels").is_empty() && selector.at("matchExpressions").is_empty()
}

/// Whether upstream's `LabelSelectorAsSelector` takes it.
pub(super) fn is_usable(selector: &At) -> bool {
    let mut errors = ErrorList::new();
    validate_label_selector(selector, &mut errors);
    errors.is_empty()
}

/// `ValidatePodTemplateSpecForReplicaSet` and its sisters.
pub(super) fn validate_template(spec: &At, kind: &str, errors: &mut ErrorList) {
    let (template, selector) = (spec.at("template"), spec.at("selector"));
    validate_template_labels(spec, &selector, errors);
    validate_pod_template(&template, errors);
    validate_runs_for_ever(&template, kind, errors);
}

/// A selector that is missing selects nothing; an empty one everything.
pub(super) fn validate_template_labels(spec: &At, selector: &At, errors: &mut ErrorList) {
    let template = spec.at("template");
    let metadata = template.at("metadata");
    let labels = metadata.at("labels");
    let selected = match selector.value() {
        None | Some(Value::Null) => false,
        Some(selector) => selector_matches(selector, labels.value().unwrap_or(&Value::Null)),
    };
    if !selected {
        errors.push(labels.invalid("`selector` does not match template `labels`"));
    }
}

/// Pods of a set are restarted always and have no deadline.
pub(super) fn validate_runs_for_ever(template: &At, kind: &str, errors: &mut ErrorList) {
    let spec = template.at("spec");
    if spec.at("restartPolicy").str() != "Always" {
        errors.push(spec.at("restartPolicy").not_supported(&["Always"]));
    }
    let deadline = spec.at("activeDeadlineSeconds");
    if deadline.exists() {
        errors.push(deadline.forbidden(format!("activeDeadlineSeconds in {kind} is not Supported")));
    }
}

/// The selector may not change (apps/v1).
pub(super) fn validate_selector_kept(new: &Value, old: &Value, errors: &mut ErrorList) {
    let (new, old) = (At::root(new), At::root(old));
    let (spec, old_spec) = (new.at("spec"), old.at("spec"));
    validate_immutable_struct(&spec.at("selector"), &old_spec.at("selector"), LABEL_SELECTOR, errors);
}

/// Counts are not negative.
pub(super) fn validate_counts(status: &At, fields: &[&str], errors: &mut ErrorList) {
    fields.iter().for_each(|field| status.at(field).nonnegative(errors));
}

/// None of the counts exceeds `status.replicas`, and what is available is ready.
pub(super) fn validate_count_order(status: &At, fields: &[&str], errors: &mut ErrorList) {
    let count = |field: &str| status.at(field).int().unwrap_or(0);
    for field in fields.iter().filter(|field| count(field) > count("replicas")) {
        errors.push(status.at(field).invalid("cannot be greater than status.replicas"));
    }
    if count("availableReplicas") > count("readyReplicas") {
        errors.push(status.at("availableReplicas").invalid("cannot be greater than readyReplicas"));
    }
}

/// A count of hash collisions only grows.
pub(super) fn validate_collisions(status: &At, old: &At, errors: &mut ErrorList) {
    let (new, old) = (status.at("collisionCount"), old.at("collisionCount"));
    new.nonnegative(errors);
    if old.int().is_some_and(|before| new.int().is_none_or(|now| now < before)) {
        errors.push(new.invalid("cannot be decremented"));
    }
}
