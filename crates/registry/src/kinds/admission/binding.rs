//! ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding.

use super::{Phase, defaults, matching};
use crate::object::{child, child_or_new};
use crate::{At, Strategy, Update, names};
use api::field::ErrorList;
use serde_json::Value;
use std::collections::BTreeSet;

const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];
const NOT_FOUND_ACTIONS: [&str; 2] = ["Deny", "Allow"];

/// The strategy of both.
#[derive(Debug)]
pub(crate) struct PolicyBinding(pub(crate) Phase);

impl Strategy for PolicyBinding {
    fn default(&self, object: &mut Value) {
        let Value::Object(binding) = object else { return };
        if let Some(resources) = child(child_or_new(binding, "spec"), "matchResources") {
            defaults::matching(resources, &["resourceRules", "excludeResourceRules"]);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let spec = root.at("spec");
        let policy = spec.at("policyName");
        if policy.is_empty() {
            errors.push(policy.required(""));
        } else {
            policy.check(&mut errors, names::dns1123_subdomain);
        }
        if spec.at("paramRef").exists() {
            validate_param_ref(&spec.at("paramRef"), &mut errors);
        }
        let resources = spec.at("matchResources");
        if resources.exists() {
            matching::match_resources(&resources, &mut errors);
        }
        match self.0 {
            Phase::Validating => validate_actions(&spec.at("validationActions"), &mut errors),
            Phase::Mutating => matching::no_deletions(&resources, &mut errors),
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        self.validate(update.new)
    }
}

fn validate_param_ref(reference: &At, errors: &mut ErrorList) {
    let (name, selector) = (reference.at("name"), reference.at("selector"));
    if !name.is_empty() {
        name.check(errors, names::path_segment);
        if selector.exists() {
            errors.push(name.forbidden("name and selector are mutually exclusive"));
        }
    }
    if selector.exists() {
        matching::selector(&selector, errors);
        if !name.is_empty() {
            errors.push(selector.forbidden("name and selector are mutually exclusive"));
        }
    }
    if name.is_empty() && !selector.exists() {
        errors.push(reference.required("one of name or selector must be specified"));
    }
    let action = reference.at("parameterNotFoundAction");
    if action.is_empty() {
        errors.push(action.required(""));
    } else {
        action.one_of(errors, &NOT_FOUND_ACTIONS);
    }
}

fn validate_actions(actions: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for action in actions.items() {
        if !ACTIONS.contains(&action.str()) {
            errors.push(action.not_supported(&ACTIONS));
        }
        if !seen.insert(action.str()) {
            errors.push(action.duplicate());
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let words = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                     response and headers serves no purpose)";
        errors.push(actions.invalid(words));
    }
    if actions.is_empty() {
        errors.push(actions.required("at least one validation action is required"));
    }
}
