//! Capacities of devices that several claims share, and how much of one a claim may take.

use crate::At;
use crate::quantity::Amount;
use api::field::ErrorList;
use std::collections::BTreeSet;

/// How many amounts a policy may list.
const MAX_OPTIONS: usize = 10;

/// What is no quantity was refused when it was decoded.
fn amount(at: &At) -> Amount {
    Amount::parse(at.str()).unwrap_or_default()
}

/// `validateMultiAllocatableDeviceCapacity`, `validateSingleAllocatableDeviceCapacity`
pub(super) fn validate_capacity(capacity: &At, is_shared: bool, errors: &mut ErrorList) {
    let policy = capacity.at("requestPolicy");
    if !policy.exists() {
        return;
    }
    if !is_shared {
        errors.push(policy.forbidden("allowMultipleAllocations must be true"));
        return;
    }
    let (values, range, default) = (policy.at("validValues"), policy.at("validRange"), policy.at("default"));
    let capacity = capacity.at("value");
    match (!values.is_empty(), range.exists()) {
        (true, true) => {
            let why = "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time";
            errors.push(policy.forbidden(why));
        }
        (true, false) if !default.exists() => errors.push(default.required("required when validValues is defined")),
        (false, true) if !default.exists() => errors.push(default.required("required when validRange is defined")),
        (true, false) => validate_values(&values, &default, &capacity, errors),
        (false, true) => validate_range(&range, &default, &capacity, errors),
        (false, false) => {}
    }
}

/// `validateRequestPolicyValidValues`: ascending, distinct, none above the capacity, the default among them.
fn validate_values(values: &At, default: &At, capacity: &At, errors: &mut ErrorList) {
    let mut before: Option<Amount> = None;
    for value in values.items() {
        if before.is_some_and(|before| before > amount(&value)) {
            errors.push(value.invalid("values must be sorted in ascending order"));
        }
        before = Some(amount(&value));
    }
    if !values.is_too_many(errors, MAX_OPTIONS) {
        for value in values.items().filter(|value| amount(value) > amount(capacity)) {
            errors.push(value.invalid(format!("option is larger than capacity value: {}", capacity.str())));
        }
        let mut seen = BTreeSet::new();
        for value in values.items() {
            let whole = amount(&value).value();
            if !seen.insert(whole) {
                errors.push(api::field::Error::duplicate(&value.path(), whole.to_string()));
            }
        }
    }
    if values.items().all(|value| amount(&value) != amount(default)) {
        errors.push(values.invalid_value(default.str(), "default value is not valid according to the requestPolicy"));
    }
}

/// `validateRequestPolicyRange`
fn validate_range(range: &At, default: &At, capacity: &At, errors: &mut ErrorList) {
    let (min, max, step) = (range.at("min"), range.at("max"), range.at("step"));
    // Upstream names the default as if it stood in the range.
    let default = range.elsewhere("default", default.value());
    if !min.exists() {
        errors.push(min.required("required when validRange is defined"));
        return;
    }
    let most = amount(capacity);
    if amount(&min) > most {
        errors.push(min.invalid(format!("min is larger than capacity value: {}", capacity.str())));
    }
    if amount(&default) < amount(&min) {
        errors.push(default.invalid(format!("default is less than min: {}", min.str())));
    }
    if max.exists() {
        if amount(&min) > amount(&max) {
            errors.push(max.invalid_value(min.str(), format!("min is larger than max: {}", max.str())));
        }
        if amount(&max) > most {
            errors.push(max.invalid(format!("max is larger than capacity value: {}", capacity.str())));
        }
        if amount(&default) > amount(&max) {
            errors.push(default.invalid(format!("default is more than max: {}", max.str())));
        }
    }
    if step.exists() {
        validate_step(&step, &min, [&default, &max], capacity, errors);
    }
}

/// Default and maximum are reached from the minimum in whole steps, and one step fits into the capacity.
fn validate_step(step: &At, min: &At, reached: [&At; 2], capacity: &At, errors: &mut ErrorList) {
    let (width, least) = (amount(step), amount(min));
    if width.is_negative() || width.is_zero() {
        errors.push(step.invalid("must be greater than zero"));
        return;
    }
    let one = least + width;
    if one > amount(capacity) {
        let format = api::quantity::Quantity::parse(min.str()).map_or(api::quantity::Format::DecimalSi, |q| q.format);
        let (one, capacity) = (one.to_quantity(format), capacity.str());
        errors.push(step.invalid(format!("one step {one} is larger than capacity value: {capacity}")));
    }
    for end in reached.into_iter().filter(|end| end.exists()) {
        if amount(end).value().wrapping_sub(least.value()) % width.value().max(1) != 0 {
            let why = format!("value is not a multiple of a given step ({}) from ({})", step.str(), min.str());
            errors.push(step.invalid_value(end.str(), why));
        }
    }
}
