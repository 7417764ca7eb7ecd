//! Pod failure policies of jobs (KEP-3329).

use crate::At;
use api::field::{Error, ErrorList};
use std::collections::BTreeSet;

const MAX_RULES: usize = 20;
const MAX_EXIT_CODES: usize = 255;
const MAX_CONDITIONS: usize = 20;

/// `validatePodFailurePolicy`
pub(super) fn validate_failure_policy(spec: &At, policy: &At, errors: &mut ErrorList) {
    let rules = policy.at("rules");
    if rules.len() > MAX_RULES {
        errors.push(Error::too_many(&rules.path(), rules.len(), MAX_RULES));
    }
    let template = spec.at("template");
    let pod = template.at("spec");
    let (app, init) = (pod.at("containers"), pod.at("initContainers"));
    let containers: BTreeSet<&str> = app.items().chain(init.items()).map(|c| c.at("name").str()).collect();
    for rule in rules.items() {
        validate_rule(spec, &rule, &containers, errors);
    }
}

fn validate_rule(spec: &At, rule: &At, containers: &BTreeSet<&str>, errors: &mut ErrorList) {
    let action = rule.at("action");
    match action.str() {
        "" => errors.push(action.required("valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]")),
        "FailIndex" if !spec.at("backoffLimitPerIndex").exists() => {
            errors.push(action.invalid("requires the backoffLimitPerIndex to be set"));
        }
        _ => action.one_of(errors, &["Count", "FailIndex", "FailJob", "Ignore"]),
    }
    let (codes, conditions) = (rule.at("onExitCodes"), rule.at("onPodConditions"));
    if codes.exists() {
        validate_exit_codes(&codes, containers, errors);
    }
    if conditions.len() > MAX_CONDITIONS {
        errors.push(Error::too_many(&conditions.path(), conditions.len(), MAX_CONDITIONS));
    }
    for condition in conditions.items() {
        condition.at("type").check(errors, crate::names::qualified_name);
        let status = condition.at("status");
        if status.is_empty() {
            errors.push(status.required("valid values: [\"False\" \"True\" \"Unknown\"]"));
        } else {
            status.one_of(errors, &["False", "True", "Unknown"]);
        }
    }
    if codes.exists() && !conditions.is_empty() {
        errors.push(rule.wrong("specifying both OnExitCodes and OnPodConditions is not supported"));
    } else if !codes.exists() && conditions.is_empty() {
        errors.push(rule.wrong("specifying one of OnExitCodes and OnPodConditions is required"));
    }
}

fn validate_exit_codes(codes: &At, containers: &BTreeSet<&str>, errors: &mut ErrorList) {
    let (operator, values, name) = (codes.at("operator"), codes.at("values"), codes.at("containerName"));
    if operator.is_empty() {
        errors.push(operator.required("valid values: [\"In\" \"NotIn\"]"));
    } else {
        operator.one_of(errors, &["In", "NotIn"]);
    }
    if name.exists() && !containers.contains(name.str()) {
        errors.push(name.invalid("must be one of the container or initContainer names in the pod template"));
    }
    if values.is_empty() {
        errors.push(values.invalid("at least one value is required"));
    } else if values.len() > MAX_EXIT_CODES {
        errors.push(Error::too_many(&values.path(), values.len(), MAX_EXIT_CODES));
    }
    let mut seen = BTreeSet::new();
    for value in values.items() {
        let code = value.int().unwrap_or(0);
        if code == 0 && operator.str() == "In" {
            errors.push(value.invalid("must not be 0 for the In operator"));
        }
        if !seen.insert(code) {
            errors.push(value.duplicate());
        }
    }
    let all: Vec<i64> = values.items().filter_map(|value| value.int()).collect();
    if !all.is_sorted() {
        errors.push(values.invalid("must be ordered"));
    }
}
