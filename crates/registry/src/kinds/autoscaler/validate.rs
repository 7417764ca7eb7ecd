//! Validation of autoscalers (`k8s.io/kubernetes/pkg/apis/autoscaling/validation`).

use super::metric::validate_metric;
use crate::At;
use crate::names;
use crate::quantity::Amount;
use api::field::ErrorList;
use serde_json::Value;

/// The longest look back, in seconds.
const MAX_STABILIZATION_WINDOW_SECONDS: i64 = 3600;
/// The longest period of a scaling policy, in seconds.
const MAX_PERIOD_SECONDS: i64 = 1800;

/// `ValidateHorizontalPodAutoscaler`, and with `old` its update: what was allowed to be stored once may stay.
pub(super) fn validate(object: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = ErrorList::new();
    let root = At::root(object);
    let spec = root.at("spec");
    let (least, most) = (spec.at("minReplicas"), spec.at("maxReplicas"));
    let was_zero = old.is_some_and(|old| old["spec"]["minReplicas"] == 0);
    let bound = if was_zero { 0 } else { 1 };
    if least.int().is_some_and(|n| n < bound) {
        errors.push(least.invalid(format!("must be greater than or equal to {bound}")));
    }
    let most_replicas = most.int().unwrap_or(0);
    if most_replicas < 1 {
        errors.push(most.required("must be set and greater than 0"));
    }
    if least.int().is_some_and(|n| most_replicas < n) {
        errors.push(most.invalid_value(most_replicas, "must be greater than or equal to `minReplicas`"));
    }
    let same_target = old.is_some_and(|old| old["spec"]["scaleTargetRef"] == object["spec"]["scaleTargetRef"]);
    validate_reference(&spec.at("scaleTargetRef"), same_target, &mut errors);
    let metrics = spec.at("metrics");
    metrics.items().for_each(|metric| validate_metric(&metric, old.is_some(), &mut errors));
    let from_zero = metrics.items().any(|metric| matches!(metric.at("type").str(), "Object" | "External"));
    if least.int() == Some(0) && !from_zero {
        let detail = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.push(metrics.forbidden(detail));
    }
    for direction in ["scaleUp", "scaleDown"] {
        let behavior = spec.at("behavior");
        let rules = behavior.at(direction);
        if rules.exists() {
            validate_rules(&rules, &mut errors);
        }
    }
    errors
}

/// `ValidateHorizontalPodAutoscalerStatusUpdate`
pub(super) fn validate_status(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let root = At::root(object);
    let status = root.at("status");
    status.at("currentReplicas").nonnegative(&mut errors);
    status.at("desiredReplicas").nonnegative(&mut errors);
    errors
}

/// `ValidateCrossVersionObjectReference`
pub(super) fn validate_reference(reference: &At, as_before: bool, errors: &mut ErrorList) {
    let (kind, name, version) = (reference.at("kind"), reference.at("name"), reference.at("apiVersion"));
    kind.require_and_check(errors, names::path_segment);
    name.require_and_check(errors, names::path_segment);
    if as_before {
        return;
    }
    let parts = version.str().matches('/').count();
    if parts > 1 {
        errors.push(version.invalid(format!("unexpected GroupVersion string: {}", version.str())));
    } else if parts == 0 && kind.str() != "ReplicationController" {
        errors.push(version.invalid_value(version.str(), "apiVersion must specify API group"));
    }
}

/// `validateScalingRules`
fn validate_rules(rules: &At, errors: &mut ErrorList) {
    let window = rules.at("stabilizationWindowSeconds");
    if window.int().is_some_and(|n| n < 0) {
        errors.push(window.invalid("must be greater than or equal to zero"));
    }
    if window.int().is_some_and(|n| n > MAX_STABILIZATION_WINDOW_SECONDS) {
        errors.push(window.invalid(format!("must be less than or equal to {MAX_STABILIZATION_WINDOW_SECONDS}")));
    }
    rules.at("selectPolicy").one_of(errors, &["Disabled", "Max", "Min"]);
    let policies = rules.at("policies");
    if policies.is_empty() {
        errors.push(policies.required("must specify at least one Policy"));
    }
    for policy in policies.items() {
        let (kind, value, period) = (policy.at("type"), policy.at("value"), policy.at("periodSeconds"));
        if !matches!(kind.str(), "Percent" | "Pods") {
            errors.push(kind.not_supported(&["Percent", "Pods"]));
        }
        for positive in [&value, &period] {
            if positive.int().unwrap_or(0) <= 0 {
                errors.push(positive.invalid_value(positive.int().unwrap_or(0), "must be greater than zero"));
            }
        }
        if period.int().is_some_and(|n| n > MAX_PERIOD_SECONDS) {
            errors.push(period.invalid(format!("must be less than or equal to {MAX_PERIOD_SECONDS}")));
        }
    }
    let tolerance = rules.at("tolerance");
    if Amount::parse(tolerance.str()).is_some_and(Amount::is_negative) {
        errors.push(tolerance.invalid("must be greater than or equal to 0"));
    }
}
