//! Pods: defaults, validation, effective resources, quality of service (`registry/core/pod/strategy.go`).

pub(crate) mod defaults;
mod prepare;
pub mod qos;
pub mod resources;
mod validate;
mod volume_defaults;
mod warnings;

pub(crate) use defaults::default_pod_template;
pub(crate) use validate::{
    is_extended_resource, is_native_resource, is_overcommit_allowed, validate_container_resource_name,
    validate_node_selector, validate_overhead, validate_pod_template, validate_pod_template_with_claims, validate_port,
    validate_quantity, validate_resource_name, validate_taint_effect, validate_template_metadata, validate_tolerations,
    volume_source,
};
pub(crate) use volume_defaults::default_network_volume;
pub(crate) use warnings::{
    is_changed, new_label, old_label, owner_name_warnings, template_warnings, warn_of_claim, warn_of_node_term,
    workload_warnings,
};

use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::Value;
use std::borrow::Cow;

/// The strategy of pods.
#[derive(Debug)]
pub(crate) struct Pod;

impl Strategy for Pod {
    fn default(&self, object: &mut Value) {
        defaults::default_pod(object);
    }

    fn prepare_for_create(&self, object: &mut Value) {
        prepare::prepare_for_create(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate::validate_create(object)
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        prepare::prepare_for_update(new, old, subresource);
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        match update.subresource {
            Some(Subresource::Status) => validate::status::validate_status_update(update.new, update.old),
            Some(Subresource::EphemeralContainers) => {
                validate::subresource::validate_ephemeral_containers(update.new, update.old)
            }
            Some(Subresource::Resize) => validate::resize::validate_resize(update.new, update.old),
            _ => validate::update::validate_update(update.new, update.old),
        }
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        warnings::pod_warnings(new, old)
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let pod = At::root(object);
        let (spec, status) = (pod.at("spec"), pod.at("status"));
        let addresses = status.at("podIPs");
        let address = addresses.items().next().map(|a| a.at("ip").str()).unwrap_or_default();
        vec![
            ("spec.nodeName".into(), spec.at("nodeName").str().to_owned()),
            ("spec.restartPolicy".into(), spec.at("restartPolicy").str().to_owned()),
            ("spec.schedulerName".into(), spec.at("schedulerName").str().to_owned()),
            ("spec.serviceAccountName".into(), spec.at("serviceAccountName").str().to_owned()),
            ("spec.hostNetwork".into(), spec.at("hostNetwork").bool().to_string()),
            ("status.phase".into(), status.at("phase").str().to_owned()),
            ("status.podIP".into(), address.to_owned()),
            ("status.nominatedNodeName".into(), status.at("nominatedNodeName").str().to_owned()),
        ]
    }

    /// `CheckGracefulDelete`: what the client asks, else what the spec says; at once where no kubelet has to stop
    /// anything.
    fn grace_period_seconds(&self, object: &Value, asked: Option<i64>) -> Option<i64> {
        let pod = At::root(object);
        let (spec, status) = (pod.at("spec"), pod.at("status"));
        let unassigned = spec.at("nodeName").is_empty();
        let ended = matches!(status.at("phase").str(), "Failed" | "Succeeded");
        if unassigned || ended {
            return Some(0);
        }
        let period = asked.or(spec.at("terminationGracePeriodSeconds").int()).unwrap_or(0);
        // Below zero stands for one second, since zero means to give up on the kubelet.
        Some(if period < 0 { 1 } else { period })
    }
}

/// The strategy of bindings.
#[derive(Debug)]
pub(crate) struct Binding;

impl Strategy for Binding {
    fn validate(&self, object: &Value) -> ErrorList {
        validate::subresource::validate_binding(object)
    }
}

/// The strategy of stored pod templates.
#[derive(Debug)]
pub(crate) struct PodTemplate;

impl Strategy for PodTemplate {
    fn default(&self, object: &mut Value) {
        if let Value::Object(map) = object {
            default_pod_template(crate::object::child_or_new(map, "template"));
        }
    }

    fn is_new_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("template") != old.get("template")
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_pod_template(&At::root(object).at("template"), &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        self.validate(update.new)
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        if old.is_some_and(|old| old.get("template") == new.get("template")) {
            return Vec::new();
        }
        template_warnings(&At::root(new).at("template"))
    }
}
