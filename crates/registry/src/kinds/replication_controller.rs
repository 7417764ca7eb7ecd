//! Replication controllers: replica sets of old, with a plain map as selector.

use super::replica_set;
use super::workload::validate_runs_for_ever;
use crate::object::{child_or_new, default, reset_status};
use crate::pod::{default_pod_template, validate_pod_template, workload_warnings};
use crate::{At, GarbageCollection, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The strategy of replication controllers.
#[derive(Debug)]
pub(crate) struct ReplicationController;

impl Strategy for ReplicationController {
    /// The template's labels are the selector and the controller's own labels where those are missing.
    fn default(&self, object: &mut Value) {
        let Value::Object(controller) = object else { return };
        let spec = child_or_new(controller, "spec");
        default(spec, "replicas", 1);
        let labels = spec.get("template").and_then(|t| t.get("metadata")).and_then(|m| m.get("labels")).cloned();
        if spec.contains_key("template") {
            default_pod_template(child_or_new(spec, "template"));
        }
        let Some(labels) = labels else { return };
        let empty = |value: Option<&Value>| value.and_then(Value::as_object).is_none_or(|map| map.is_empty());
        if empty(spec.get("selector")) {
            spec.insert("selector".to_owned(), labels.clone());
        }
        let metadata = child_or_new(controller, "metadata");
        if empty(metadata.get("labels")) {
            metadata.insert("labels".to_owned(), labels);
        }
    }

    fn garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Orphan
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"replicas": 0}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let controller = At::root(object);
        let spec = controller.at("spec");
        spec.at("minReadySeconds").nonnegative(&mut errors);
        let (selector, template) = (spec.at("selector"), spec.at("template"));
        selector.require(&mut errors);
        spec.at("replicas").nonnegative(&mut errors);
        if !template.exists() {
            errors.push(template.required(""));
            return errors;
        }
        let metadata = template.at("metadata");
        let labels = metadata.at("labels");
        if selector.entries().any(|(key, value)| labels.key(key).value() != value.value()) {
            errors.push(labels.invalid("`selector` does not match template `labels`"));
        }
        validate_pod_template(&template, &mut errors);
        validate_runs_for_ever(&template, "ReplicationController", &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return replica_set::validate_status(update.new);
        }
        self.validate(update.new)
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        workload_warnings(new, old)
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let replicas = At::root(object).at("status").at("replicas").int().unwrap_or(0);
        vec![("status.replicas".into(), replicas.to_string())]
    }
}
