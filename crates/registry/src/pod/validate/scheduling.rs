//! Tolerations, taint effects and scheduling gates.

use crate::At;
use crate::labels::validate_label_name;
use crate::names;
use api::field::ErrorList;
use std::collections::BTreeSet;

/// In upstream's order.
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// `validateTaintEffect`
pub(crate) fn validate_taint_effect(effect: &At, errors: &mut ErrorList) {
    if !EFFECTS.contains(&effect.str()) {
        errors.push(effect.not_supported(&EFFECTS));
    }
}

/// `ValidateTolerations`
pub(crate) fn validate_tolerations(tolerations: &At, errors: &mut ErrorList) {
    for toleration in tolerations.items() {
        let (key, operator) = (toleration.at("key"), toleration.at("operator"));
        let (value, effect) = (toleration.at("value"), toleration.at("effect"));
        if !key.is_empty() {
            validate_label_name(&key, errors);
        }
        if key.is_empty() && operator.str() != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(operator.invalid_value(operator.str(), detail));
        }
        if toleration.at("tolerationSeconds").exists() && effect.str() != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(effect.invalid_value(effect.str(), detail));
        }
        match operator.str() {
            "" | "Equal" => {
                let wrong = names::label_value(value.str());
                if !wrong.is_empty() {
                    errors.push(operator.invalid_value(value.str(), wrong.join(";")));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let detail = "value must be empty when `operator` is 'Exists'";
                    errors.push(operator.invalid_value(value.str(), detail));
                }
            }
            _ => errors.push(operator.not_supported(&["Equal", "Exists"])),
        }
        if !effect.is_empty() {
            validate_taint_effect(&effect, errors);
        }
    }
}

/// `validateSchedulingGates`
pub(super) fn validate_scheduling_gates(gates: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for gate in gates.items() {
        let name = gate.at("name").str();
        errors.extend(names::qualified_name(name).into_iter().map(|w| gate.invalid_value(name, w)));
        if !seen.insert(name) {
            errors.push(api::field::Error::duplicate(&gate.path(), name));
        }
    }
}
