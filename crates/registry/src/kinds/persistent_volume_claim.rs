//! Persistent volume claims.

use crate::diff::diff;
use crate::object::{child_or_new, default_str, keep, put, reset_status};
use crate::pod::warn_of_claim;
use crate::quantity::Amount;
use crate::volume_claim::{validate_claim_resource_key, validate_claim_spec};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Map, Value, json};

/// The strategy of persistent volume claims.
#[derive(Debug)]
pub(crate) struct PersistentVolumeClaim;

impl Strategy for PersistentVolumeClaim {
    fn default(&self, object: &mut Value) {
        let Value::Object(claim) = object else { return };
        default_str(child_or_new(claim, "status"), "phase", "Pending");
        default_str(child_or_new(claim, "spec"), "volumeMode", "Filesystem");
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"phase": "Pending"}));
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            drop_unknown_source(spec);
            normalize_sources(spec);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_claim_spec(&At::root(object).at("spec"), &mut errors);
        errors
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        if subresource == Some(Subresource::Status) {
            keep(new, old, "spec");
        } else {
            keep(new, old, "status");
            if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
                normalize_sources(spec);
            }
        }
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let (new, old) = (At::root(update.new), At::root(update.old));
        if update.subresource == Some(Subresource::Status) {
            return validate_status(&new);
        }
        let mut errors = self.validate(update.new);
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        let (munged, munged_old) = munge(&spec, &old_spec, new.at("status").at("phase").str() == "Bound");
        if munged != munged_old {
            let change = diff(&munged_old.into(), &munged.into());
            let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
            errors.push(spec.forbidden(format!("{detail}\n{change}")));
        }
        let annotation = |claim: &At| claim.at("metadata").at("annotations").key(BETA_CLASS).str().to_owned();
        if annotation(&new) != annotation(&old) {
            let metadata = new.at("metadata");
            let annotations = metadata.at("annotations");
            let at = annotations.elsewhere(BETA_CLASS, annotations.key(BETA_CLASS).value());
            errors.push(at.invalid_value(annotation(&new), "field is immutable"));
        }
        let size = |at: &At| Amount::parse(at.key("storage").str()).unwrap_or_default();
        let requests = spec.at("resources").at("requests").value();
        let resources = spec.at("resources");
        let asked = resources.elsewhere("requests", requests);
        let before = At::named("", old_spec.at("resources").at("requests").value());
        let had = At::named("", old.at("status").at("capacity").value());
        // Down to what the volume has, a claim may shrink back after a failed expansion.
        if size(&asked) < size(&before) && size(&asked) <= size(&had) {
            errors.push(asked.at("storage").forbidden("field can not be less than status.capacity"));
        }
        let mode = new.elsewhere("volumeMode", spec.at("volumeMode").value());
        if mode.value() != old_spec.at("volumeMode").value() {
            errors.push(mode.invalid("field is immutable"));
        }
        let attributes = spec.at("volumeAttributesClassName");
        if old_spec.at("volumeAttributesClassName").exists() && attributes.is_empty() {
            let what = if attributes.exists() { "an empty string" } else { "nil" };
            errors.push(attributes.forbidden(format!("update from non-nil value to {what} is forbidden")));
        }
        errors
    }

    /// `GetWarningsForPersistentVolumeClaim`
    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut warnings = Vec::new();
        let claim = At::root(new);
        warn_of_beta_class(&claim, &mut warnings);
        warn_of_claim(&claim.at("spec"), &mut warnings);
        warnings
    }
}

/// What used to name the class of a claim or a volume.
pub(super) const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// The warning about the annotation.
pub(super) fn warn_of_beta_class(object: &At, warnings: &mut Vec<String>) {
    let metadata = object.at("metadata");
    let annotations = metadata.at("annotations");
    if annotations.key(BETA_CLASS).exists() {
        let why = "deprecated since v1.8; use \"storageClassName\" attribute instead";
        warnings.push(format!("{}: {why}", annotations.key(BETA_CLASS).path()));
    }
}

fn validate_status(claim: &At) -> ErrorList {
    let mut errors = ErrorList::new();
    let status = claim.at("status");
    for list in ["allocatedResourceStatuses", "allocatedResources"] {
        let amounts = status.at(list);
        for (name, _) in amounts.entries() {
            validate_claim_resource_key(&amounts, name, &mut errors);
        }
    }
    for (_, amount) in status.at("capacity").entries() {
        if Amount::parse(amount.str()).is_some_and(Amount::is_negative) {
            errors.push(amount.invalid("must be a valid resource quantity"));
        }
    }
    errors
}

/// Both specs without what may change.
fn munge(spec: &At, old_spec: &At, bound: bool) -> (Map<String, Value>, Map<String, Value>) {
    let (mut new, mut old) = (spec.map().cloned().unwrap_or_default(), old_spec.map().cloned().unwrap_or_default());
    if old_spec.at("volumeName").is_empty() {
        put(&mut old, "volumeName", new.get("volumeName").cloned());
    }
    if !old_spec.at("storageClassName").exists() && spec.at("storageClassName").exists() {
        put(&mut old, "storageClassName", new.get("storageClassName").cloned());
    }
    if bound {
        let size = old_spec.at("resources").at("requests").key("storage").value().cloned();
        put(child_or_new(child_or_new(&mut new, "resources"), "requests"), "storage", size);
        if spec.at("volumeAttributesClassName").exists() {
            put(&mut new, "volumeAttributesClassName", old.get("volumeAttributesClassName").cloned());
        }
    }
    (new, old)
}

/// `dataSource` takes claims and snapshots only; others were dropped silently ever since.
fn drop_unknown_source(spec: &mut Map<String, Value>) {
    let Some(source) = spec.get("dataSource") else { return };
    if spec.get("dataSourceRef").is_some_and(|reference| !reference.is_null()) {
        return;
    }
    let field = |name: &str| source.get(name).and_then(Value::as_str).unwrap_or_default();
    let known = matches!(
        (field("apiGroup"), field("kind")),
        ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
    );
    if !known {
        spec.remove("dataSource");
    }
}

/// Both fields say the same, unless the reference reaches into another namespace.
fn normalize_sources(spec: &mut Map<String, Value>) {
    let (source, reference) = (spec.get("dataSource").cloned(), spec.get("dataSourceRef").cloned());
    match (source, reference) {
        (Some(source), None) => drop(spec.insert("dataSourceRef".to_owned(), source)),
        (None, Some(reference)) if reference.get("namespace").is_none() => {
            spec.insert("dataSource".to_owned(), reference);
        }
        _ => {}
    }
}
