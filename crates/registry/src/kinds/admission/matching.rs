//! Rules and selectors: which requests a webhook, policy or binding is about.

use super::MATCH_POLICIES;
use crate::{At, names};
use api::field::ErrorList;
use api::selector::validate_label_selector;
use std::collections::BTreeSet;

const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
/// Nothing is mutated that goes.
const MUTATING_OPERATIONS: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];

fn is_wild(list: &At) -> bool {
    list.strings().any(|one| one == "*")
}

/// A list that has something, and nothing beside `*`.
fn one_or_star(list: &At, what: &str, errors: &mut ErrorList) {
    if list.is_empty() {
        errors.push(list.required(""));
    }
    if list.len() > 1 && is_wild(list) {
        errors.push(list.invalid(format!("if '*' is present, must not specify other {what}")));
    }
}

/// `validateRuleWithOperations`
pub(super) fn rule(rule: &At, errors: &mut ErrorList) {
    let operations = rule.at("operations");
    one_or_star(&operations, "operations", errors);
    for operation in operations.items() {
        operation.one_of(errors, &OPERATIONS);
    }
    one_or_star(&rule.at("apiGroups"), "API groups", errors);
    let versions = rule.at("apiVersions");
    one_or_star(&versions, "API versions", errors);
    versions.items().for_each(|version| version.require(errors));
    resources(&rule.at("resources"), errors);
    rule.at("scope").one_of(errors, &SCOPES);
}

/// `validateResources`
fn resources(list: &At, errors: &mut ErrorList) {
    if list.is_empty() {
        errors.push(list.required(""));
    }
    // Resources of `x/*`, subresources of `*/x`.
    let (mut of_resource, mut of_subresource) = (BTreeSet::new(), BTreeSet::new());
    for item in list.items() {
        if item.is_empty() {
            errors.push(item.required(""));
            continue;
        }
        let Some((resource, subresource)) = item.str().split_once('/') else { continue };
        let whole = item.str();
        if of_resource.contains(resource) {
            errors.push(item.invalid(format!("if '{resource}/*' is present, must not specify {whole}")));
        }
        if of_subresource.contains(subresource) {
            errors.push(item.invalid(format!("if '*/{subresource}' is present, must not specify {whole}")));
        }
        if subresource == "*" {
            of_resource.insert(resource);
        }
        if resource == "*" {
            of_subresource.insert(subresource);
        }
    }
    if list.len() > 1 && list.strings().any(|one| one == "*/*") {
        errors.push(list.invalid("if '*/*' is present, must not specify other resources"));
    }
    // Upstream looks at the last of those alone: `["pods", "*"]` passes, `["*", "pods"]` does not.
    let last = list.strings().filter(|one| !one.is_empty() && !one.contains('/')).last();
    if is_wild(list) && last.is_some_and(|one| one != "*") {
        errors.push(list.invalid("if '*' is present, must not specify other resources without subresources"));
    }
}

/// A selector of webhooks, which may be absent.
pub(super) fn selector(selector: &At, errors: &mut ErrorList) {
    errors.extend(validate_label_selector(selector.value(), &selector.path()));
}

/// `validateMatchResources`
pub(super) fn match_resources(matching: &At, errors: &mut ErrorList) {
    matching.at("matchPolicy").require_one_of(errors, &MATCH_POLICIES);
    for name in ["namespaceSelector", "objectSelector"] {
        let at = matching.at(name);
        if at.exists() {
            selector(&at, errors);
        } else {
            errors.push(at.required(""));
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        matching.at(list).items().for_each(|rule| named_rule(&rule, errors));
    }
}

/// What mutating policies and their bindings match: no deletions. The path is that of all rules.
pub(super) fn no_deletions(matching: &At, errors: &mut ErrorList) {
    let rules = matching.at("resourceRules");
    let place = rules.at("operations");
    for rule in rules.items() {
        for operation in rule.at("operations").strings().filter(|one| !MUTATING_OPERATIONS.contains(one)) {
            errors.push(place.not_supported_value(operation, &MUTATING_OPERATIONS));
        }
    }
}

fn named_rule(named: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for name in named.at("resourceNames").items() {
        name.check(errors, names::path_segment);
        if !seen.insert(name.str()) {
            errors.push(name.duplicate());
        }
    }
    rule(named, errors);
}
