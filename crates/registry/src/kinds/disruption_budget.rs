//! Pod disruption budgets.

use super::rolling::{validate_at_most_all, validate_int_or_percent};
use crate::conditions::validate_conditions;
use crate::labels::validate_label_selector;
use crate::object::reset_status;
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};

/// The strategy of pod disruption budgets.
#[derive(Debug)]
pub(crate) struct DisruptionBudget;

impl Strategy for DisruptionBudget {
    fn prepare_for_create(&self, object: &mut Value) {
        let zero = json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0});
        reset_status(object, zero);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let budget = At::root(object);
        let spec = budget.at("spec");
        let (least, most) = (spec.at("minAvailable"), spec.at("maxUnavailable"));
        if least.exists() && most.exists() {
            let detail = "minAvailable and maxUnavailable cannot be both set";
            errors.push(spec.invalid_struct("io.k8s.api.policy.v1.PodDisruptionBudgetSpec", detail));
        }
        for amount in [least, most].iter().filter(|amount| amount.exists()) {
            validate_int_or_percent(amount, &mut errors);
            validate_at_most_all(amount, &mut errors);
        }
        validate_label_selector(&spec.at("selector"), &mut errors);
        spec.at("unhealthyPodEvictionPolicy").one_of(&mut errors, &["AlwaysAllow", "IfHealthyBudget"]);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource != Some(Subresource::Status) {
            return self.validate(update.new);
        }
        let mut errors = ErrorList::new();
        let budget = At::root(update.new);
        let status = budget.at("status");
        for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            status.at(field).nonnegative(&mut errors);
        }
        validate_conditions(&status.at("conditions"), &mut errors);
        errors
    }
}
