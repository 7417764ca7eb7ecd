//! Replica sets.

use super::workload::{
    validate_count_order, validate_counts, validate_selector, validate_selector_kept, validate_template,
};
use crate::object::{child_or_new, default, reset_status};
use crate::pod::{default_pod_template, workload_warnings};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};

/// The strategy of replica sets.
#[derive(Debug)]
pub(crate) struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn default(&self, object: &mut Value) {
        let Value::Object(set) = object else { return };
        let spec = child_or_new(set, "spec");
        default(spec, "replicas", 1);
        default_pod_template(child_or_new(spec, "template"));
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"replicas": 0}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let set = At::root(object);
        let spec = set.at("spec");
        spec.at("replicas").nonnegative(&mut errors);
        spec.at("minReadySeconds").nonnegative(&mut errors);
        if validate_selector(&spec, &mut errors) {
            validate_template(&spec, "ReplicaSet", &mut errors);
        }
        errors
    }

    /// Upstream looks at the whole twice here, as its causes show.
    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return validate_status(update.new);
        }
        let mut errors = self.validate(update.new);
        errors.extend(self.validate(update.new));
        validate_selector_kept(update.new, update.old, &mut errors);
        errors
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        workload_warnings(new, old)
    }
}

/// Of replica sets and replication controllers.
pub(super) fn validate_status(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let set = At::root(object);
    let status = set.at("status");
    let counts = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "terminatingReplicas",
        "observedGeneration",
    ];
    validate_counts(&status, &counts, &mut errors);
    validate_count_order(&status, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"], &mut errors);
    errors
}
