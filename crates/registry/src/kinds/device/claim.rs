//! Claims, and the templates that they are made from. What a claim asks for never changes.

use super::claim_spec::{default_spec, validate_spec};
use super::claim_status::{drop_released_devices, validate_status_update};
use crate::object::{WRITABLE_METADATA, child, keep_metadata_of_status, reset_status, validate_immutable_struct};
use crate::pod::validate_template_metadata;
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};

const SPEC: &str = "io.k8s.api.resource.v1.ResourceClaimSpec";
const TEMPLATE_SPEC: &str = "io.k8s.api.resource.v1.ResourceClaimTemplateSpec";

/// The strategy of claims.
#[derive(Debug)]
pub(crate) struct ResourceClaim;

impl Strategy for ResourceClaim {
    fn default(&self, object: &mut Value) {
        let Value::Object(claim) = object else { return };
        if let Some(spec) = child(claim, "spec") {
            default_spec(spec);
        }
        let results = child(claim, "status")
            .and_then(|status| child(status, "allocation"))
            .and_then(|allocation| child(allocation, "devices"));
        if let Some(devices) = results {
            for result in crate::object::children(devices, "results") {
                crate::object::children(result, "tolerations")
                    .for_each(|toleration| crate::object::default_str(toleration, "operator", "Equal"));
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({}));
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        keep_metadata_of_status(new, old, subresource, &WRITABLE_METADATA);
        if subresource == Some(Subresource::Status) {
            drop_released_devices(new, old);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_spec(&At::root(object).at("spec"), &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return validate_status_update(update.new, update.old);
        }
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        validate_immutable_struct(&new.at("spec"), &old.at("spec"), SPEC, &mut errors);
        errors
    }
}

/// The strategy of templates.
#[derive(Debug)]
pub(crate) struct ResourceClaimTemplate;

impl Strategy for ResourceClaimTemplate {
    fn default(&self, object: &mut Value) {
        let Value::Object(template) = object else { return };
        if let Some(spec) = child(template, "spec").and_then(|outer| child(outer, "spec")) {
            default_spec(spec);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let spec = root.at("spec");
        validate_template_metadata(&spec.at("metadata"), &mut errors);
        validate_spec(&spec.at("spec"), &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        validate_immutable_struct(&new.at("spec"), &old.at("spec"), TEMPLATE_SPEC, &mut errors);
        errors
    }
}
