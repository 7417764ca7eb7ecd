//! Taints of devices, what tolerates them, and the conditions that binding waits for.

use super::refuse_duplicates;
use crate::At;
use crate::labels::validate_label_name;
use crate::names;
use api::field::ErrorList;

/// In upstream's order: sorted.
const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];
/// How many conditions of one sort there are at most.
const MAX_CONDITIONS: usize = 4;

/// `validateDeviceTaint`
pub(super) fn validate_taint(taint: &At, errors: &mut ErrorList) {
    validate_label_name(&taint.at("key"), errors);
    if !taint.at("value").is_empty() {
        taint.at("value").check(errors, names::label_value);
    }
    taint.at("effect").require_one_of(errors, &EFFECTS);
}

/// `validateDeviceToleration`
pub(super) fn validate_toleration(toleration: &At, errors: &mut ErrorList) {
    if !toleration.at("key").is_empty() {
        validate_label_name(&toleration.at("key"), errors);
    }
    let (operator, value, effect) = (toleration.at("operator"), toleration.at("value"), toleration.at("effect"));
    match operator.str() {
        "Exists" => {
            if !value.is_empty() {
                errors.push(value.invalid("must be empty for operator `Exists`"));
            }
        }
        "Equal" => value.check(errors, names::label_value),
        "" => errors.push(operator.required("")),
        _ => errors.push(operator.not_supported(&["Equal", "Exists"])),
    }
    if !effect.is_empty() {
        effect.one_of(errors, &EFFECTS);
    }
}

/// `validateDeviceBindingParameters`: conditions come in both sorts or not at all.
pub(super) fn validate_binding(device: &At, errors: &mut ErrorList) {
    let (good, bad) = (device.at("bindingConditions"), device.at("bindingFailureConditions"));
    for conditions in [&good, &bad] {
        if !conditions.is_too_many(errors, MAX_CONDITIONS) {
            conditions.items().for_each(|condition| validate_label_name(&condition, errors));
        }
    }
    refuse_duplicates(&good, |item| item.str(), errors);
    refuse_duplicates(&bad, |item| item.str(), errors);
    for condition in bad.items().filter(|condition| good.strings().any(|one| one == condition.str())) {
        errors.push(condition.invalid("bindingFailureConditions must not overlap with bindingConditions"));
    }
    if good.is_empty() && !bad.is_empty() {
        errors.push(good.invalid("bindingConditions are required to use bindingFailureConditions"));
    }
    if bad.is_empty() && !good.is_empty() {
        errors.push(bad.invalid("bindingFailureConditions are required to use bindingConditions"));
    }
}
