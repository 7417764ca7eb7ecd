//! Persistent volume claims.

use crate::diff::diff;
use crate::object::{child, child_or_new, keep, put, reset_status};
use crate::pod::{validate_quantity, warn_of_claim};
use crate::quantity::Amount;
use crate::volume_claim::{default_claim, validate_claim_resource_key, validate_claim_spec};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Map, Value, json};

const SPEC: &str = "io.k8s.api.core.v1.PersistentVolumeClaimSpec";

/// The strategy of persistent volume claims.
#[derive(Debug)]
pub(crate) struct PersistentVolumeClaim;

impl Strategy for PersistentVolumeClaim {
    fn default(&self, object: &mut Value) {
        let Value::Object(claim) = object else { return };
        default_claim(claim);
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"phase": "Pending"}));
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            prepare_sources(spec, None);
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
                prepare_sources(spec, old.get("spec").and_then(Value::as_object));
            }
        }
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let (new, old) = (At::root(update.new), At::root(update.old));
        if update.subresource == Some(Subresource::Status) {
            return validate_status(&new);
        }
        let mut errors = self.validate(update.new);
        tolerate_old_groups(&old, &mut errors);
        if !takes_class_of_annotation(&new, &old) && beta_class(&new) != beta_class(&old) {
            let metadata = new.at("metadata");
            let annotations = metadata.at("annotations");
            let at = annotations.elsewhere(BETA_CLASS, annotations.key(BETA_CLASS).value());
            errors.push(at.invalid_value(beta_class(&new).unwrap_or_default(), "field is immutable"));
        }
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        let (munged, munged_old) = munge(&new, &old);
        if munged != munged_old {
            let change = diff(SPEC, &munged_old.into(), &munged.into());
            let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
            errors.push(spec.forbidden(format!("{detail}\n{change}")));
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

/// How far an expansion has come, sorted.
const RESIZE_STATUSES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

/// `ValidatePersistentVolumeClaimStatusUpdate`
fn validate_status(claim: &At) -> ErrorList {
    let mut errors = ErrorList::new();
    let status = claim.at("status");
    for (_, amount) in status.at("capacity").entries() {
        validate_amount(&amount, &mut errors);
    }
    // Upstream's paths misname this field, and quote the resource where the status is wrong.
    let statuses = status.at_as("allocatedResourceStatuses", "allocatedResourceStatus");
    for (name, resize) in statuses.entries() {
        validate_claim_resource_key(&statuses, name, &mut errors);
        if !RESIZE_STATUSES.contains(&resize.str()) {
            errors.push(statuses.not_supported_value(name, &RESIZE_STATUSES));
        }
    }
    let allocated = status.at("allocatedResources");
    for (name, amount) in allocated.entries() {
        let before = errors.len();
        validate_claim_resource_key(&allocated, name, &mut errors);
        if errors.len() == before && !validate_amount(&amount, &mut errors) {
            validate_quantity("storage", amount.str(), &amount.path(), &mut errors);
        }
    }
    errors
}

/// `validateBasicResource`: whether it is negative, which is an error that quotes the number of bytes.
fn validate_amount(amount: &At, errors: &mut ErrorList) -> bool {
    let negative = Amount::parse(amount.str()).filter(|amount| amount.is_negative());
    if let Some(negative) = negative {
        errors.push(amount.invalid_value(negative.value(), "must be a valid resource quantity"));
    }
    negative.is_some()
}

/// The class that the annotation names.
fn beta_class<'v>(claim: &At<'_, 'v>) -> Option<&'v str> {
    let annotations = claim.at("metadata").at("annotations").map()?;
    annotations.get(BETA_CLASS).and_then(Value::as_str)
}

/// Whether a claim that has no class but by its annotation gets the same one by the field, with or without keeping the
/// annotation (`validateStorageClassUpgradeFromAnnotation`).
fn takes_class_of_annotation(new: &At, old: &At) -> bool {
    let Some(before) = beta_class(old) else { return false };
    let (spec, old_spec) = (new.at("spec"), old.at("spec"));
    let class = spec.at("storageClassName");
    let same = class.exists() && class.str() == before && !old_spec.at("storageClassName").exists();
    same && beta_class(new).is_none_or(|now| now == before)
}

/// Both specs without what may change.
fn munge(claim: &At, old_claim: &At) -> (Map<String, Value>, Map<String, Value>) {
    let (spec, old_spec) = (claim.at("spec"), old_claim.at("spec"));
    let bound = claim.at("status").at("phase").str() == "Bound";
    let (mut new, mut old) = (spec.map().cloned().unwrap_or_default(), old_spec.map().cloned().unwrap_or_default());
    if old_spec.at("volumeName").is_empty() {
        put(&mut old, "volumeName", new.get("volumeName").cloned());
    }
    // A claim without a class may get one, but no other than its annotation names.
    let class = spec.at("storageClassName");
    let fits = beta_class(old_claim).is_none_or(|before| before == class.str());
    if !old_spec.at("storageClassName").exists() && class.exists() && fits {
        put(&mut old, "storageClassName", new.get("storageClassName").cloned());
    }
    if bound {
        let size = old_spec.at("resources").at("requests").key("storage").value().cloned();
        if let Some(requests) = child(child_or_new(&mut new, "resources"), "requests") {
            put(requests, "storage", size);
        }
        if spec.at("volumeAttributesClassName").exists() {
            put(&mut new, "volumeAttributesClassName", old.get("volumeAttributesClassName").cloned());
        }
    }
    (new, old)
}

/// What a claim is made from, as a client may say it: what cannot be is dropped, unless the claim has a source already
/// (`DropDisabledFields`, `EnforceDataSourceBackwardsCompatibility`).
fn prepare_sources(spec: &mut Map<String, Value>, old: Option<&Map<String, Value>>) {
    let has = |field: &str| old.is_some_and(|old| old.contains_key(field));
    // Sources of other namespaces are an alpha feature (CrossNamespaceVolumeDataSource), off in v1.36.
    let foreign = spec.get("dataSourceRef").is_some_and(|source| !str_of(source, "namespace").is_empty());
    if foreign && !has("dataSourceRef") {
        spec.remove("dataSourceRef");
    }
    if !has("dataSource") && !has("dataSourceRef") {
        drop_unknown_source(spec);
    }
    normalize_sources(spec);
}

/// The group of a source is looked at since v1.27 only: a claim that had one may keep whatever it is.
fn tolerate_old_groups(old: &At, errors: &mut ErrorList) {
    const SOURCES: [&str; 2] = ["dataSource", "dataSourceRef"];
    let spec = old.at("spec");
    if SOURCES.iter().any(|source| spec.at(source).at("apiGroup").exists()) {
        errors.retain(|error| SOURCES.iter().all(|source| error.field != format!("spec.{source}.apiGroup")));
    }
}

fn str_of<'v>(object: &'v Value, field: &str) -> &'v str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `dataSource` takes claims and snapshots only; others were dropped silently ever since.
fn drop_unknown_source(spec: &mut Map<String, Value>) {
    let Some(source) = spec.get("dataSource") else { return };
    if spec.contains_key("dataSourceRef") {
        return;
    }
    let known = matches!(
        (str_of(source, "apiGroup"), str_of(source, "kind")),
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
        (None, Some(reference)) if str_of(&reference, "namespace").is_empty() => {
            spec.insert("dataSource".to_owned(), reference);
        }
        _ => {}
    }
}
