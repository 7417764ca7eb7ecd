//! Metrics that an autoscaler looks at: exactly one source each, with a target that fits the source.

use super::validate::validate_reference;
use crate::At;
use crate::labels::validate_label_selector;
use crate::names;
use crate::quantity::Amount;
use api::field::ErrorList;

/// The types, sorted, and the field of each, in the order in which upstream looks at them.
const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];

/// `validateMetricSpec`
pub(super) fn validate_metric(metric: &At, is_update: bool, errors: &mut ErrorList) {
    let kind = metric.at("type");
    if kind.is_empty() {
        errors.push(kind.required("must specify a metric source type"));
    }
    if !TYPES.contains(&kind.str()) {
        errors.push(kind.not_supported(&TYPES));
    }
    let present: Vec<&str> =
        SOURCES.iter().map(|(_, field)| *field).filter(|field| metric.at(field).exists()).collect();
    if let Some(field) = present.first() {
        validate_source(field, &metric.at(field), is_update, errors);
    }
    let expected = SOURCES.iter().find(|(name, _)| *name == kind.str()).map(|(_, field)| *field);
    match expected {
        Some(field) if !present.contains(&field) => {
            errors.push(metric.at(field).required("must populate information for the given metric source"));
        }
        Some(_) => {}
        None => errors.push(kind.not_supported(&TYPES)),
    }
    if present.len() > 1 {
        for other in present.iter().filter(|field| Some(**field) != expected) {
            errors.push(metric.at(other).forbidden("must populate the given metric source only"));
        }
    }
}

fn validate_source(field: &str, source: &At, is_update: bool, errors: &mut ErrorList) {
    let target = source.at("target");
    let (value, average, percent) = (target.at("value"), target.at("averageValue"), target.at("averageUtilization"));
    match field {
        "object" => {
            validate_reference(&source.at("describedObject"), is_update, errors);
            validate_identifier(&source.at("metric"), errors);
            validate_target(&target, errors);
            if !value.exists() && !average.exists() {
                errors.push(average.required("must set either a target value for metric or a per-pod target"));
            }
        }
        "external" => {
            validate_identifier(&source.at("metric"), errors);
            validate_target(&target, errors);
            if !value.exists() && !average.exists() {
                errors.push(average.required("must set either a target value for metric or a per-pod target"));
            }
            if value.exists() && average.exists() {
                errors.push(value.forbidden("may not set both a target value for metric and a per-pod target"));
            }
        }
        "pods" => {
            validate_identifier(&source.at("metric"), errors);
            validate_target(&target, errors);
            if !is_positive(&average) {
                errors.push(average.required("must specify a positive target averageValue"));
            }
        }
        _ => {
            let (name, container) = (source.at("name"), source.at("container"));
            if name.is_empty() {
                errors.push(name.required("must specify a resource name"));
            }
            if field == "containerResource" && container.is_empty() {
                errors.push(container.required("must specify a container"));
            }
            validate_target(&target, errors);
            if !percent.exists() && !average.exists() {
                errors.push(percent.required("must set either a target raw value or a target utilization"));
            }
            if percent.exists() && average.exists() {
                errors.push(average.forbidden("may not set both a target raw value and a target utilization"));
            }
        }
    }
}

fn is_positive(amount: &At) -> bool {
    Amount::parse(amount.str()).is_some_and(|amount| amount > Amount::ZERO)
}

/// `validateMetricIdentifier`
fn validate_identifier(metric: &At, errors: &mut ErrorList) {
    let name = metric.at("name");
    if name.is_empty() {
        errors.push(name.required("must specify a metric name"));
    } else {
        name.check(errors, names::path_segment);
    }
    validate_label_selector(&metric.at("selector"), errors);
}

/// `validateMetricTarget`
fn validate_target(target: &At, errors: &mut ErrorList) {
    let kind = target.at("type");
    if kind.is_empty() {
        errors.push(kind.required("must specify a metric target type"));
    }
    if !matches!(kind.str(), "Utilization" | "Value" | "AverageValue") {
        errors.push(kind.invalid_value(kind.str(), "must be either Utilization, Value, or AverageValue"));
    }
    for field in ["value", "averageValue"] {
        let amount = target.at(field);
        if amount.exists() && !is_positive(&amount) {
            errors.push(amount.invalid("must be positive"));
        }
    }
    let percent = target.at("averageUtilization");
    if percent.int().is_some_and(|n| n < 1) {
        errors.push(percent.invalid("must be greater than 0"));
    }
}
