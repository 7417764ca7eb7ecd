//! Namespaces.

use crate::names;
use crate::object::{child_or_new, keep};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Every namespace carries its own name as a label.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The strategy of namespaces.
#[derive(Debug)]
pub(crate) struct Namespace;

impl Strategy for Namespace {
    fn default(&self, object: &mut Value) {
        label_with_name(object);
    }

    fn prepare_for_create(&self, object: &mut Value) {
        label_with_name(object);
        let Value::Object(namespace) = object else { return };
        let spec = child_or_new(namespace, "spec");
        match spec.entry("finalizers").or_insert_with(|| json!([])) {
            Value::Array(list) if list.iter().any(|finalizer| finalizer == "kubernetes") => {}
            Value::Array(list) => list.push("kubernetes".into()),
            other => *other = json!(["kubernetes"]),
        }
        namespace.insert("status".to_owned(), json!({"phase": "Active"}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let namespace = At::root(object);
        let spec = namespace.at("spec");
        let finalizers = spec.at("finalizers");
        for finalizer in finalizers.strings() {
            validate_finalizer(&finalizers, finalizer, &mut errors);
        }
        errors
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        match subresource {
            Some(Subresource::Status) => keep(new, old, "spec"),
            Some(Subresource::Finalize) => keep(new, old, "status"),
            _ => {
                keep(new, old, "status");
                // Only `finalize` takes finalizers off.
                keep(new, old, "spec");
            }
        }
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let namespace = At::root(update.new);
        match update.subresource {
            Some(Subresource::Finalize) => {
                let spec = namespace.at("spec");
                for finalizer in spec.at("finalizers").items() {
                    validate_finalizer(&finalizer, finalizer.str(), &mut errors);
                }
            }
            Some(Subresource::Status) => {
                let (metadata, status) = (namespace.at("metadata"), namespace.at("status"));
                let phase = status.at_as("phase", "Phase");
                let (wanted, state) = match metadata.at("deletionTimestamp").is_empty() {
                    true => ("Active", "empty"),
                    false => ("Terminating", "not empty"),
                };
                if phase.str() != wanted {
                    let detail = format!("may only be '{wanted}' if `deletionTimestamp` is {state}");
                    errors.push(phase.invalid_value(phase.str(), detail));
                }
            }
            _ => {}
        }
        errors
    }

    fn validate_name(&self, name: &str) -> Vec<String> {
        names::dns1123_label(name)
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let namespace = At::root(object);
        vec![
            ("status.phase".into(), namespace.at("status").at("phase").str().to_owned()),
            ("name".into(), namespace.at("metadata").at("name").str().to_owned()),
        ]
    }
}

fn label_with_name(object: &mut Value) {
    let Value::Object(namespace) = object else { return };
    let metadata = child_or_new(namespace, "metadata");
    let name = crate::object::str_at(metadata, "name").to_owned();
    if !name.is_empty() {
        child_or_new(metadata, "labels").insert(NAME_LABEL.to_owned(), name.into());
    }
}

/// `validateFinalizerName`
fn validate_finalizer(at: &At, finalizer: &str, errors: &mut ErrorList) {
    errors.extend(names::qualified_name(finalizer).into_iter().map(|w| at.invalid_value(finalizer, w)));
    let standard = matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion");
    if !finalizer.contains('/') && !standard {
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        errors.push(at.invalid_value(finalizer, detail));
    }
}
