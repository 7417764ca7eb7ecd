//! Services. Addresses and node ports are allocated by the API server after preparation and before validation.

mod addresses;
mod defaults;
mod update;
mod validate;
mod warnings;

pub use addresses::service_address_errors;

use crate::object::{child_or_new, reset_status};
use crate::{At, Strategy, Subresource, Update, names};
use api::field::ErrorList;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The strategy of services.
#[derive(Debug)]
pub(crate) struct Service;

impl Strategy for Service {
    fn default(&self, object: &mut Value) {
        if let Value::Object(service) = object {
            defaults::default_service(service);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"loadBalancer": {}}));
        if let Value::Object(service) = object {
            let spec = child_or_new(service, "spec");
            defaults::normalize_cluster_ips(spec);
            defaults::drop_internal_policy(spec);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate::validate_service(&At::root(object), &mut errors);
        errors
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        if subresource.is_none() {
            update::keep_allocated(new, old);
            if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
                defaults::drop_internal_policy(spec);
            }
        }
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        if update.subresource == Some(Subresource::Status) {
            validate::validate_load_balancer(&new, &mut errors);
        } else {
            update::validate_transition(&new, &old, &mut errors);
            validate::validate_service(&new, &mut errors);
        }
        errors
    }

    /// Since v1.35 a service's name is any DNS label (KEP-5311).
    fn validate_name(&self, name: &str) -> Vec<String> {
        names::dns1123_label(name)
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        warnings::service_warnings(&At::root(new))
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let service = At::root(object);
        let spec = service.at("spec");
        let text = |field: &str| spec.at(field).str().to_owned();
        vec![("spec.clusterIP".into(), text("clusterIP")), ("spec.type".into(), text("type"))]
    }
}

/// Whether the service is reached from outside: nodes, a balancer or addresses of its own.
fn is_externally_accessible(spec: &At) -> bool {
    match spec.at("type").str() {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !spec.at("externalIPs").is_empty(),
        _ => false,
    }
}

/// Whether a balancer must ask each node if it has endpoints.
fn needs_health_check(spec: &At) -> bool {
    spec.at("type").str() == "LoadBalancer" && spec.at("externalTrafficPolicy").str() == "Local"
}

fn is_headless(spec: &At) -> bool {
    let addresses = spec.at("clusterIPs");
    addresses.len() == 1 && addresses.strings().next() == Some("None")
}
