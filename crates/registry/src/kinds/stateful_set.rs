//! Stateful sets.

use super::rolling::{number, validate_at_most_all, validate_int_or_percent};
use super::workload::{
    is_empty, validate_collisions, validate_counts, validate_runs_for_ever, validate_template_labels,
};
use crate::labels::{LABEL_SELECTOR, validate_label_selector};
use crate::object::{child, child_or_new, children, default, default_str, put, reset_status, str_at};
use crate::pod::{default_pod_template, is_changed, template_warnings, validate_pod_template, warn_of_claim};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Map, Value, json};

const UPDATABLE: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

/// The longest label of a host name, in bytes.
const MAX_NAME_BYTES: usize = 63;

/// The strategy of stateful sets.
#[derive(Debug)]
pub(crate) struct StatefulSet;

impl Strategy for StatefulSet {
    fn default(&self, object: &mut Value) {
        let Value::Object(set) = object else { return };
        let spec = child_or_new(set, "spec");
        default_str(spec, "podManagementPolicy", "OrderedReady");
        let strategy = child_or_new(spec, "updateStrategy");
        if str_at(strategy, "type").is_empty() {
            strategy.insert("type".to_owned(), "RollingUpdate".into());
            default(child_or_new(strategy, "rollingUpdate"), "partition", 0);
        } else if str_at(strategy, "type") == "RollingUpdate"
            && let Some(rolling) = child(strategy, "rollingUpdate")
        {
            default(rolling, "partition", 0);
        }
        let retention = child_or_new(spec, "persistentVolumeClaimRetentionPolicy");
        default_str(retention, "whenDeleted", "Retain");
        default_str(retention, "whenScaled", "Retain");
        default(spec, "replicas", 1);
        default(spec, "revisionHistoryLimit", 10);
        default_pod_template(child_or_new(spec, "template"));
        for claim in children(spec, "volumeClaimTemplates") {
            default_str(claim, "kind", "PersistentVolumeClaim");
            default_str(claim, "apiVersion", "v1");
            default_str(child_or_new(claim, "spec"), "volumeMode", "Filesystem");
            default_str(child_or_new(claim, "status"), "phase", "Pending");
        }
    }

    /// The name is part of host names, and the label of the pods' revision (`ValidateStatefulSetName`).
    fn validate_name(&self, name: &str) -> Vec<String> {
        let wrong = crate::names::dns1123_subdomain(name);
        if !wrong.is_empty() {
            return wrong;
        }
        let mut wrong = Vec::new();
        if name.len() > MAX_NAME_BYTES {
            wrong.push(format!("must be no more than {MAX_NAME_BYTES} characters"));
        }
        if name.contains('.') {
            wrong.push("must not contain dots".to_owned());
        }
        wrong
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"replicas": 0, "availableReplicas": 0}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let set = At::root(object);
        let spec = set.at("spec");
        let policy = spec.at("podManagementPolicy");
        if !matches!(policy.str(), "OrderedReady" | "Parallel") {
            errors.push(policy.invalid("must be 'OrderedReady' or 'Parallel'"));
        }
        validate_strategy(&spec.at("updateStrategy"), &mut errors);
        let retention = spec.at("persistentVolumeClaimRetentionPolicy");
        for field in ["whenDeleted", "whenScaled"] {
            retention.at(field).one_of(&mut errors, &["Retain", "Delete"]);
        }
        spec.at("replicas").nonnegative(&mut errors);
        spec.at("minReadySeconds").nonnegative(&mut errors);
        spec.at("ordinals").at("start").nonnegative(&mut errors);
        let (selector, template) = (spec.at("selector"), spec.at("template"));
        if selector.exists() {
            validate_label_selector(&selector, &mut errors);
            if is_empty(&selector) {
                errors.push(selector.invalid_struct(LABEL_SELECTOR, "empty selector is invalid for statefulset"));
            } else {
                validate_template_labels(&spec, &selector, &mut errors);
            }
        } else {
            errors.push(selector.required(""));
        }
        validate_pod_template(&template, &mut errors);
        validate_runs_for_ever(&template, "StatefulSet", &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return validate_status(update);
        }
        let mut errors = self.validate(update.new);
        let (new, old) = (At::root(update.new), At::root(update.old));
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        if fixed_part(&spec) != fixed_part(&old_spec) {
            errors.push(spec.forbidden(UPDATABLE));
        }
        errors
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        let set = At::root(new);
        let spec = set.at("spec");
        let mut warnings = Vec::new();
        if is_changed(new, old) {
            warnings.extend(template_warnings(&spec.at("template")));
            for claim in spec.at("volumeClaimTemplates").items() {
                // Upstream's paths have the field in upper case.
                warn_of_claim(&claim.at_as("spec", "Spec"), &mut warnings);
            }
        }
        let limit = spec.at("revisionHistoryLimit");
        if limit.int().is_some_and(|n| n < 0) {
            let why = "a negative value retains all historical revisions; a value >= 0 is recommended";
            warnings.push(format!("{}: {why}", limit.path()));
        }
        warnings
    }
}

/// What of the spec may not change.
fn fixed_part(spec: &At) -> Map<String, Value> {
    let mut map = spec.map().cloned().unwrap_or_default();
    let free = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    free.iter().for_each(|field| put(&mut map, field, None));
    map
}

fn validate_strategy(strategy: &At, errors: &mut ErrorList) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").str() {
        "" => errors.push(strategy.required("")),
        "OnDelete" => {
            if rolling.exists() {
                let detail = "only allowed for updateStrategy 'RollingUpdate'";
                let definition = "io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy";
                errors.push(rolling.invalid_struct(definition, detail));
            }
        }
        "RollingUpdate" => {
            rolling.at("partition").nonnegative(errors);
            let unavailable = rolling.at("maxUnavailable");
            if unavailable.exists() {
                validate_int_or_percent(&unavailable, errors);
                if number(&unavailable) == 0 {
                    errors.push(unavailable.invalid("cannot be 0"));
                }
                validate_at_most_all(&unavailable, errors);
            }
        }
        _ => {
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            errors.push(strategy.invalid_struct("io.k8s.api.apps.v1.StatefulSetUpdateStrategy", detail));
        }
    }
}

fn validate_status(update: Update<'_>) -> ErrorList {
    let mut errors = ErrorList::new();
    let (new, old) = (At::root(update.new), At::root(update.old));
    let status = new.at("status");
    let counts =
        ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "observedGeneration"];
    validate_counts(&status, &counts, &mut errors);
    validate_collisions(&status, &old.at("status"), &mut errors);
    let count = |field: &str| status.at(field).int().unwrap_or(0);
    for field in ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] {
        if count(field) > count("replicas") {
            errors.push(status.at(field).invalid("cannot be greater than status.replicas"));
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        errors.push(status.at("availableReplicas").invalid("cannot be greater than status.readyReplicas"));
    }
    errors
}
