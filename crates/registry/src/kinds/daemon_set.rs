//! Daemon sets.

use super::rolling::{number, validate_at_most_all, validate_int_or_percent};
use super::workload::{
    is_empty, validate_collisions, validate_counts, validate_runs_for_ever, validate_selector_kept,
    validate_template_labels,
};
use crate::labels::{LABEL_SELECTOR, validate_label_selector};
use crate::object::{child_or_new, default, default_str, reset_status, str_at};
use crate::pod::{default_pod_template, template_warnings, validate_pod_template};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};

/// Counts the changes of the template; once a field of the spec.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The strategy of daemon sets.
#[derive(Debug)]
pub(crate) struct DaemonSet;

impl Strategy for DaemonSet {
    fn default(&self, object: &mut Value) {
        let Value::Object(set) = object else { return };
        let spec = child_or_new(set, "spec");
        let strategy = child_or_new(spec, "updateStrategy");
        default_str(strategy, "type", "RollingUpdate");
        if str_at(strategy, "type") == "RollingUpdate" {
            let rolling = child_or_new(strategy, "rollingUpdate");
            default(rolling, "maxUnavailable", 1);
            default(rolling, "maxSurge", 0);
        }
        default(spec, "revisionHistoryLimit", 10);
        default_pod_template(child_or_new(spec, "template"));
        // Upstream's conversion writes it, so that the writer owns it.
        if template_generation(object) == 0 {
            set_template_generation(object, 1);
        }
    }

    fn hide_in_table(&self, object: &mut Value) {
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        let Some(metadata) = metadata else { return };
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove(TEMPLATE_GENERATION);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        let zero = json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        });
        reset_status(object, zero);
        set_template_generation(object, 1);
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        let generation = template_generation(old);
        let template = |set: &Value| set.get("spec").and_then(|spec| spec.get("template")).cloned();
        let changed = subresource.is_none() && template(new) != template(old);
        set_template_generation(new, generation + i64::from(changed));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let set = At::root(object);
        let spec = set.at("spec");
        let (selector, template) = (spec.at("selector"), spec.at("template"));
        validate_label_selector(&selector, &mut errors);
        if errors.is_empty() {
            validate_template_labels(&spec, &selector, &mut errors);
        }
        if selector.exists() && is_empty(&selector) {
            errors.push(selector.invalid_struct(LABEL_SELECTOR, "empty selector is invalid for daemonset"));
        }
        validate_pod_template(&template, &mut errors);
        validate_runs_for_ever(&template, "DaemonSet", &mut errors);
        spec.at("minReadySeconds").nonnegative(&mut errors);
        validate_strategy(&spec.at("updateStrategy"), &mut errors);
        spec.at("revisionHistoryLimit").nonnegative(&mut errors);
        errors
    }

    /// Upstream looks at the whole twice here, as its causes show.
    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return validate_status(update);
        }
        let mut errors = self.validate(update.new);
        errors.extend(self.validate(update.new));
        validate_selector_kept(update.new, update.old, &mut errors);
        errors
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        if old.is_some_and(|old| old["spec"]["template"] == new["spec"]["template"]) {
            return Vec::new();
        }
        template_warnings(&At::root(new).at("spec").at("template"))
    }
}

fn template_generation(set: &Value) -> i64 {
    let set = At::root(set);
    let metadata = set.at("metadata");
    let annotations = metadata.at("annotations");
    annotations.key(TEMPLATE_GENERATION).str().parse().unwrap_or(0)
}

fn set_template_generation(set: &mut Value, generation: i64) {
    if let Value::Object(set) = set {
        let annotations = child_or_new(child_or_new(set, "metadata"), "annotations");
        annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string().into());
    }
}

fn validate_strategy(strategy: &At, errors: &mut ErrorList) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").str() {
        "OnDelete" => {}
        "RollingUpdate" if !rolling.exists() => errors.push(rolling.required("")),
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.at("maxUnavailable"), rolling.at("maxSurge"));
            validate_int_or_percent(&unavailable, errors);
            validate_int_or_percent(&surge, errors);
            validate_at_most_all(&unavailable, errors);
            validate_at_most_all(&surge, errors);
            match (number(&unavailable) != 0, number(&surge) != 0) {
                (true, true) => errors.push(surge.invalid("may not be set when maxUnavailable is non-zero")),
                (false, false) => errors.push(unavailable.required("cannot be 0 when maxSurge is 0")),
                _ => {}
            }
        }
        _ => {
            let printed = strategy.go_text("io.k8s.api.apps.v1.DaemonSetUpdateStrategy");
            errors.push(strategy.not_supported(&["RollingUpdate", "OnDelete"]).printed_as(printed));
        }
    }
}

fn validate_status(update: Update<'_>) -> ErrorList {
    let mut errors = ErrorList::new();
    let (new, old) = (At::root(update.new), At::root(update.old));
    let status = new.at("status");
    let counts = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
    ];
    validate_counts(&status, &counts, &mut errors);
    validate_collisions(&status, &old.at("status"), &mut errors);
    errors
}
