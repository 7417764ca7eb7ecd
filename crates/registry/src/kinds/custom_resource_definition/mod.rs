//! CustomResourceDefinitions: defaulting, validation, what a client may not change
//! (`k8s.io/apiextensions-apiserver/pkg/apis/apiextensions`).
//!
//! Whether names are accepted and when instances may be created is the API server's to find out (`extensions`).

mod conversion;
mod defaults;
mod extensions;
pub(crate) mod field_path;
mod formats;
mod internal;
mod names;
mod open_api;
mod printing;
mod rules;
mod spec;
mod stored;
mod structural;
mod subresources;

use crate::names::dns1123_subdomain;
use crate::object::{child, child_or_new, default, default_str, str_at};
use crate::{At, Strategy, Subresource, Update};
use api::field::{Error, ErrorList};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What keeps a definition until its instances are gone.
const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Where groups of the community say that an API was reviewed.
const APPROVAL_ANNOTATION: &str = "api-approved.kubernetes.io";
const APPROVAL_HELP: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

/// The strategy.
#[derive(Debug)]
pub(crate) struct CustomResourceDefinition;

impl Strategy for CustomResourceDefinition {
    fn default(&self, object: &mut Value) {
        let Value::Object(definition) = object else { return };
        let Some(spec) = child(definition, "spec") else { return };
        let names = child_or_new(spec, "names");
        let kind = str_at(names, "kind").to_owned();
        default_str(names, "singular", &kind.to_lowercase());
        if str_at(names, "singular").is_empty() {
            names.remove("singular");
        }
        if !kind.is_empty() {
            default_str(names, "listKind", &format!("{kind}List"));
        }
        default(spec, "conversion", json!({"strategy": "None"}));
        let service = child(spec, "conversion")
            .and_then(|conversion| child(conversion, "webhook"))
            .and_then(|webhook| child(webhook, "clientConfig"))
            .and_then(|client| child(client, "service"));
        if let Some(service) = service {
            default(service, "port", 443);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        let status = json!({"conditions": null, "acceptedNames": {"kind": "", "plural": ""}, "storedVersions": null});
        crate::object::reset_status(object, status);
        stored::remember(object);
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        if subresource.is_none() {
            crate::object::keep(new, old, "status");
            stored::remember(new);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let definition = At::root(object);
        let mut errors = ErrorList::new();
        let name = definition.at("metadata").at("name").str();
        let spec = definition.at("spec");
        if name != format!("{}.{}", spec.at("names").at("plural").str(), spec.at("group").str()) {
            let metadata = definition.at("metadata");
            errors.push(metadata.at("name").invalid("must be spec.names.plural+\".\"+spec.group"));
        }
        // It is not in use yet, and cert managers inject the bundle later.
        errors.extend(spec::validate(&spec, false));
        names::validate(&definition.at("status").at("acceptedNames"), &mut errors);
        stored::validate(object, &mut errors);
        validate_approval(&definition, None, &mut errors);
        validate_preserve(&definition, &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let (new, old) = (At::root(update.new), At::root(update.old));
        let mut errors = ErrorList::new();
        if update.subresource == Some(Subresource::Status) {
            names::validate(&new.at("status").at("acceptedNames"), &mut errors);
            return errors;
        }
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        let in_use = is_established(&old);
        errors.extend(spec::validate(&spec, in_use && conversion::checks_bundle(&old)));
        if in_use {
            crate::object::validate_immutable(&spec.at("scope"), &old_spec.at("scope"), &mut errors);
            let (names, old_names) = (spec.at("names"), old_spec.at("names"));
            crate::object::validate_immutable(&names.at("kind"), &old_names.at("kind"), &mut errors);
        }
        crate::object::validate_immutable(&spec.at("group"), &old_spec.at("group"), &mut errors);
        let (names, old_names) = (spec.at("names"), old_spec.at("names"));
        crate::object::validate_immutable(&names.at("plural"), &old_names.at("plural"), &mut errors);
        names::validate(&new.at("status").at("acceptedNames"), &mut errors);
        stored::validate(update.new, &mut errors);
        validate_approval(&new, Some(&old), &mut errors);
        validate_preserve(&new, &mut errors);
        errors
    }

    fn validate_name(&self, name: &str) -> Vec<String> {
        dns1123_subdomain(name)
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        formats::unrecognized(&new["spec"])
            .into_iter()
            .map(|format| format!("unrecognized format {format:?}"))
            .collect()
    }

    /// Instances go first.
    fn begin_deletion(&self, object: &mut Value, now: Timestamp) {
        let Value::Object(definition) = object else { return };
        let finalizers = child_or_new(definition, "metadata").entry("finalizers").or_insert_with(|| json!([]));
        if let Value::Array(list) = finalizers
            && !list.iter().any(|one| one == CLEANUP_FINALIZER)
        {
            list.push(CLEANUP_FINALIZER.into());
        }
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        let condition = json!({"type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
            "message": message, "lastTransitionTime": api::time::format_seconds(now)});
        let conditions = child_or_new(definition, "status").entry("conditions").or_insert_with(|| json!([]));
        if !conditions.is_array() {
            *conditions = json!([]);
        }
        if let Value::Array(list) = conditions {
            list.retain(|one| one["type"] != "Terminating");
            list.push(condition);
        }
    }
}

fn is_established(definition: &At<'_, '_>) -> bool {
    let status = definition.at("status");
    let conditions = status.at("conditions");
    conditions.items().any(|one| one.at("type").str() == "Established" && one.at("status").str() == "True")
}

/// Groups of the community need a sign that the API was reviewed, or that it was not.
fn validate_approval(new: &At<'_, '_>, old: Option<&At<'_, '_>>, errors: &mut ErrorList) {
    let group = new.at("spec").at("group").str();
    if !group.ends_with(".k8s.io") && !group.ends_with(".kubernetes.io") {
        return;
    }
    fn approval<'v>(definition: &At<'_, 'v>) -> Option<&'v str> {
        let metadata = definition.at("metadata");
        metadata.at("annotations").map().and_then(|map| map.get(APPROVAL_ANNOTATION)).and_then(Value::as_str)
    }
    let approved = approval(new);
    if old.is_some_and(|old| approval(old) == approved) {
        return;
    }
    let metadata = new.at("metadata");
    let annotations = metadata.at("annotations");
    let place = annotations.key(APPROVAL_ANNOTATION);
    match approved {
        None => {
            let words =
                format!("protected groups must have approval annotation {APPROVAL_ANNOTATION:?}, {APPROVAL_HELP}");
            errors.push(place.required(&words));
        }
        Some(text) if text.starts_with("unapproved") => {}
        Some(text) if text.split_once("://").is_some_and(|(scheme, host)| !scheme.is_empty() && !host.is_empty()) => {}
        Some(text) => {
            let words = format!(
                "protected groups must have approval annotation {APPROVAL_ANNOTATION:?} with either a URL or a reason \
                 starting with \"unapproved\", {APPROVAL_HELP}"
            );
            errors.push(place.invalid_value(text, words));
        }
    }
}

fn validate_preserve(definition: &At<'_, '_>, errors: &mut Vec<Error>) {
    let spec = definition.at("spec");
    if spec.at("preserveUnknownFields").bool() {
        let has_defaults = spec
            .at("versions")
            .items()
            .any(|version| version.at("schema").at("openAPIV3Schema").value().is_some_and(defaults::has_any));
        if has_defaults {
            let words = "must be false in order to use defaults in the schema";
            errors.push(spec.at("preserveUnknownFields").invalid(words));
        }
        let words =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(spec.at("preserveUnknownFields").invalid(words));
    }
}
