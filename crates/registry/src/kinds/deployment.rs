//! Deployments.

use super::rolling::{number, validate_at_most_all, validate_int_or_percent};
use super::workload::{
    validate_collisions, validate_count_order, validate_counts, validate_selector, validate_selector_kept,
    validate_template,
};
use crate::object::{child_or_new, default, default_str, keep_metadata_of_status, reset_status, str_at};
use crate::pod::{default_pod_template, workload_warnings};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};

/// The strategy of deployments.
#[derive(Debug)]
pub(crate) struct Deployment;

impl Strategy for Deployment {
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        keep_metadata_of_status(new, old, subresource, &["labels"]);
    }

    fn default(&self, object: &mut Value) {
        let Value::Object(deployment) = object else { return };
        let spec = child_or_new(deployment, "spec");
        default(spec, "replicas", 1);
        let strategy = child_or_new(spec, "strategy");
        default_str(strategy, "type", "RollingUpdate");
        if str_at(strategy, "type") == "RollingUpdate" {
            let rolling = child_or_new(strategy, "rollingUpdate");
            default(rolling, "maxUnavailable", "25%");
            default(rolling, "maxSurge", "25%");
        }
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "progressDeadlineSeconds", 600);
        default_pod_template(child_or_new(spec, "template"));
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let deployment = At::root(object);
        let spec = deployment.at("spec");
        spec.at("replicas").nonnegative(&mut errors);
        if validate_selector(&spec, &mut errors) {
            validate_template(&spec, "ReplicaSet", &mut errors);
        }
        validate_strategy(&spec.at("strategy"), &mut errors);
        spec.at("minReadySeconds").nonnegative(&mut errors);
        spec.at("revisionHistoryLimit").nonnegative(&mut errors);
        let deadline = spec.at("progressDeadlineSeconds");
        deadline.nonnegative(&mut errors);
        if deadline.int().is_some_and(|seconds| seconds <= spec.at("minReadySeconds").int().unwrap_or(0)) {
            errors.push(deadline.invalid("must be greater than minReadySeconds"));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return validate_status(update);
        }
        let mut errors = self.validate(update.new);
        validate_selector_kept(update.new, update.old, &mut errors);
        errors
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        workload_warnings(new, old)
    }
}

fn validate_strategy(strategy: &At, errors: &mut ErrorList) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").str() {
        "Recreate" => {
            if rolling.exists() {
                errors.push(rolling.forbidden("may not be specified when strategy `type` is 'Recreate'"));
            }
        }
        "RollingUpdate" if !rolling.exists() => {
            errors.push(rolling.required("this should be defaulted and never be nil"));
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.at("maxUnavailable"), rolling.at("maxSurge"));
            validate_int_or_percent(&unavailable, errors);
            validate_int_or_percent(&surge, errors);
            if number(&unavailable) == 0 && number(&surge) == 0 {
                errors.push(unavailable.invalid("may not be 0 when `maxSurge` is 0"));
            }
            validate_at_most_all(&unavailable, errors);
        }
        _ => {
            let printed = strategy.go_text("io.k8s.api.apps.v1.DeploymentStrategy");
            errors.push(strategy.not_supported(&["Recreate", "RollingUpdate"]).printed_as(printed));
        }
    }
}

fn validate_status(update: Update<'_>) -> ErrorList {
    let mut errors = ErrorList::new();
    let (new, old) = (At::root(update.new), At::root(update.old));
    let status = new.at("status");
    let counts = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
    ];
    validate_counts(&status, &counts, &mut errors);
    validate_collisions(&status, &old.at("status"), &mut errors);
    validate_count_order(&status, &["updatedReplicas", "readyReplicas", "availableReplicas"], &mut errors);
    errors
}
