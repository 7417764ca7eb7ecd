//! Stateful sets.

use super::rolling::{number, validate_at_most_all, validate_int_or_percent};
use super::workload::{
    is_empty, is_usable, validate_collisions, validate_counts, validate_runs_for_ever, validate_template_labels,
};
use crate::labels::{LABEL_SELECTOR, validate_label_selector};
use crate::object::{child, child_or_new, children, default, default_str, put, reset_status, str_at};
use crate::pod::{
    default_pod_template, is_changed, template_warnings, validate_pod_template_with_claims, warn_of_claim,
};
use crate::volume_claim::{default_claim, validate_claim_spec};
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
            default_claim(claim);
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
        let younger = Younger { service_name: true, claims: true, template: true };
        validate_spec(&At::root(object).at("spec"), younger)
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return validate_status(update);
        }
        let (new, old) = (At::root(update.new), At::root(update.old));
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        let mut younger = Younger { service_name: false, claims: false, template: true };
        younger.template = validate_spec(&old_spec, younger).is_empty();
        let mut errors = validate_spec(&spec, younger);
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

/// The rules that are younger than stored sets: which of them to ask.
#[derive(Clone, Copy, Debug)]
struct Younger {
    service_name: bool,
    claims: bool,
    template: bool,
}

/// `ValidateStatefulSetSpec`
fn validate_spec(spec: &At, younger: Younger) -> ErrorList {
    let mut errors = ErrorList::new();
    let policy = spec.at("podManagementPolicy");
    if !matches!(policy.str(), "OrderedReady" | "Parallel") {
        errors.push(policy.invalid("must be 'OrderedReady' or 'Parallel'"));
    }
    validate_strategy(&spec.at("updateStrategy"), &mut errors);
    let retention = spec.at("persistentVolumeClaimRetentionPolicy");
    for field in ["whenDeleted", "whenScaled"] {
        retention.at(field).one_of(&mut errors, &["Retain", "Delete"]);
    }
    if younger.claims {
        for claim in spec.at("volumeClaimTemplates").items() {
            validate_claim_spec(&claim.at("spec"), &mut errors);
        }
    }
    spec.at("replicas").nonnegative(&mut errors);
    spec.at("minReadySeconds").nonnegative(&mut errors);
    spec.at("ordinals").at("start").nonnegative(&mut errors);
    let service = spec.at("serviceName");
    if younger.service_name && !service.is_empty() {
        service.check(&mut errors, crate::names::dns1123_label);
    }
    validate_selected_template(spec, younger, &mut errors);
    validate_runs_for_ever(&spec.at("template"), "StatefulSet", &mut errors);
    errors
}

/// The selector, and the template with the volumes that it gets of the claims.
fn validate_selected_template(spec: &At, younger: Younger, errors: &mut ErrorList) {
    let (selector, template) = (spec.at("selector"), spec.at("template"));
    if selector.exists() {
        validate_label_selector(&selector, errors);
        if is_empty(&selector) {
            errors.push(selector.invalid_struct(LABEL_SELECTOR, "empty selector is invalid for statefulset"));
        }
    } else {
        errors.push(selector.required(""));
    }
    if selector.exists() && !is_usable(&selector) {
        errors.push(selector.invalid_struct(LABEL_SELECTOR, ""));
        return;
    }
    validate_template_labels(spec, &selector, errors);
    if younger.template {
        let templates = spec.at("volumeClaimTemplates");
        let claims: Vec<&str> = templates.items().map(|claim| claim.at("metadata").at("name").str()).collect();
        validate_pod_template_with_claims(&template, &claims, errors);
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
