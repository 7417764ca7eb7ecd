//! Node affinity, pod affinity and pod anti-affinity.

use crate::At;
use crate::labels::{validate_label_name, validate_label_selector};
use crate::names;
use api::field::ErrorList;
use std::collections::{BTreeMap, BTreeSet};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// `validateAffinity`
pub(super) fn validate_affinity(affinity: &At, errors: &mut ErrorList) {
    if !affinity.exists() {
        return;
    }
    let node = affinity.at("nodeAffinity");
    if node.at(REQUIRED).exists() {
        validate_node_selector(&node.at(REQUIRED), errors);
    }
    for term in node.at(PREFERRED).items() {
        validate_weight(&term.at("weight"), errors);
        validate_node_selector_term(&term.at("preference"), true, errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.at(kind);
        pods.at(REQUIRED).items().for_each(|term| validate_pod_term(&term, errors));
        for term in pods.at(PREFERRED).items() {
            validate_weight(&term.at("weight"), errors);
            validate_pod_term(&term.at("podAffinityTerm"), errors);
        }
    }
}

fn validate_weight(weight: &At, errors: &mut ErrorList) {
    let number = weight.int().unwrap_or(0);
    if !(1..=100).contains(&number) {
        errors.push(weight.invalid_value(number, "must be in the range 1-100"));
    }
}

/// `ValidateNodeSelector`, also of persistent volumes.
pub(crate) fn validate_node_selector(selector: &At, errors: &mut ErrorList) {
    let terms = selector.at("nodeSelectorTerms");
    if terms.is_empty() {
        errors.push(terms.required("must have at least one node selector term"));
    }
    terms.items().for_each(|term| validate_node_selector_term(&term, false, errors));
}

/// `ValidateNodeSelectorTerm`. A preferred term may hold values that no label can have.
pub(super) fn validate_node_selector_term(term: &At, any_value: bool, errors: &mut ErrorList) {
    for expression in term.at("matchExpressions").items() {
        let values = expression.at("values");
        match expression.at("operator").str() {
            "In" | "NotIn" if values.is_empty() => {
                errors.push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.push(values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
            }
            "Gt" | "Lt" if values.len() != 1 => {
                errors.push(values.required("must be specified single value when `operator` is 'Lt' or 'Gt'"));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => errors.push(expression.at("operator").invalid_value(other, "not a valid selector operator")),
        }
        validate_label_name(&expression.at("key"), errors);
        if !any_value {
            values.items().for_each(|value| value.check(errors, names::label_value));
        }
    }
    for expression in term.at("matchFields").items() {
        let values = expression.at("values");
        match expression.at("operator").str() {
            "In" | "NotIn" if values.len() != 1 => {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.push(values.required(detail));
            }
            "In" | "NotIn" => {}
            other => errors.push(expression.at("operator").invalid_value(other, "not a valid selector operator")),
        }
        let key = expression.at("key");
        if key.str() == "metadata.name" {
            values.items().for_each(|value| value.check(errors, names::dns1123_subdomain));
        } else {
            errors.push(key.invalid_value(key.str(), "not a valid field selector key"));
        }
    }
}

/// `validatePodAffinityTerm`
fn validate_pod_term(term: &At, errors: &mut ErrorList) {
    validate_label_selector(&term.at("labelSelector"), errors);
    validate_label_selector(&term.at("namespaceSelector"), errors);
    for namespace in term.at("namespaces").strings() {
        let wrong = names::dns1123_label(namespace);
        errors.extend(wrong.into_iter().map(|w| term.at("namespace").invalid_value(namespace, w)));
    }
    validate_label_keys(term, errors);
    let key = term.at("topologyKey");
    if key.is_empty() {
        errors.push(key.required("can not be empty"));
    }
    validate_label_name(&key, errors);
}

/// `ValidateMatchLabelKeysAndMismatchLabelKeys`, also of spread constraints.
pub(super) fn validate_label_keys(term: &At, errors: &mut ErrorList) {
    let selector = term.at("labelSelector");
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let keys = term.at(field);
        if keys.is_empty() {
            continue;
        }
        if selector.exists() {
            keys.items().for_each(|key| validate_label_name(&key, errors));
        } else {
            errors.push(keys.forbidden("must not be specified when labelSelector is not set"));
        }
    }
    let match_keys = term.at("matchLabelKeys");
    let indices: BTreeMap<&str, usize> = match_keys.strings().enumerate().map(|(i, key)| (key, i)).collect();
    // Creation has merged the keys into the selector; a second mention is the client's own.
    let mut mentioned: BTreeSet<&str> = selector.at("matchLabels").entries().map(|(key, _)| key).collect();
    for expression in selector.at("matchExpressions").items() {
        let key = expression.at("key").str();
        if let (Some(index), true) = (indices.get(key), mentioned.contains(key)) {
            let path = term.path().index(*index);
            let detail = "exists in both matchLabelKeys and labelSelector";
            errors.push(api::field::Error::invalid(&path, key, detail));
        }
        mentioned.insert(key);
    }
    let mismatch: BTreeSet<&str> = term.at("mismatchLabelKeys").strings().collect();
    for key in match_keys.items().filter(|key| mismatch.contains(key.str())) {
        errors.push(key.invalid("exists in both matchLabelKeys and mismatchLabelKeys"));
    }
}
