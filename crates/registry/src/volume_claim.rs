//! The spec of a persistent volume claim, which stands in claims and in ephemeral volumes of pods
//! (`ValidatePersistentVolumeClaimSpec`).

use crate::At;
use crate::labels::validate_label_selector;
use crate::names;
use crate::object::{child, child_or_new, default_str};
use crate::pod::defaults::round_quantities;
use crate::pod::{is_native_resource, validate_quantity};
use crate::quantity::Amount;
use api::field::{Error, ErrorList};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Access modes of volumes, sorted.
pub(crate) const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// Volume modes, sorted.
pub(crate) const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];

/// Defaults of a claim, which stateful sets hold too.
pub(crate) fn default_claim(claim: &mut Map<String, Value>) {
    default_claim_spec(child_or_new(claim, "spec"));
    let status = child_or_new(claim, "status");
    default_str(status, "phase", "Pending");
    for amounts in ["capacity", "allocatedResources"] {
        round_quantities(status, amounts);
    }
}

/// Defaults of a claim's spec, which ephemeral volumes hold too.
pub(crate) fn default_claim_spec(spec: &mut Map<String, Value>) {
    default_str(spec, "volumeMode", "Filesystem");
    if let Some(resources) = child(spec, "resources") {
        round_quantities(resources, "limits");
        round_quantities(resources, "requests");
    }
}

/// `ValidatePersistentVolumeClaimSpec`
pub(crate) fn validate_claim_spec(spec: &At, errors: &mut ErrorList) {
    let modes = spec.at("accessModes");
    if modes.is_empty() {
        errors.push(modes.required("at least 1 access mode is required"));
    }
    validate_label_selector(&spec.at("selector"), errors);
    validate_access_modes(&modes, errors);
    let resources = spec.at("resources");
    let requests = resources.at("requests");
    let shown = resources.key("storage").path();
    match requests.map().and_then(|requests| requests.get("storage")).and_then(|v| v.as_str()) {
        None => errors.push(Error::required(&shown, "")),
        Some(text) => {
            if Amount::parse(text).is_some_and(|amount| amount <= Amount::ZERO) {
                errors.push(Error::invalid(&shown, text, "must be greater than zero"));
            } else {
                validate_quantity("storage", text, &shown, errors);
            }
        }
    }
    validate_class_name(&spec.at("storageClassName"), errors);
    let mode = spec.at("volumeMode");
    if mode.exists() {
        mode.one_of(errors, &VOLUME_MODES);
    }
    validate_data_source(spec, errors);
    validate_class_name(&spec.at("volumeAttributesClassName"), errors);
}

fn validate_class_name(class: &At, errors: &mut ErrorList) {
    if !class.is_empty() {
        class.check(errors, names::dns1123_subdomain);
    }
}

/// Known ones only, and `ReadWriteOncePod` alone. Errors name the list.
pub(crate) fn validate_access_modes(modes: &At, errors: &mut ErrorList) {
    let listed: BTreeSet<&str> = modes.strings().collect();
    for mode in modes.strings() {
        if !ACCESS_MODES.contains(&mode) {
            errors.push(modes.not_supported_value(mode, &ACCESS_MODES));
        }
    }
    if listed.contains("ReadWriteOncePod") && listed.len() > 1 {
        errors.push(modes.forbidden("may not use ReadWriteOncePod with other access modes"));
    }
}

/// `validateDataSource`, `validateDataSourceRef`
fn validate_data_source(spec: &At, errors: &mut ErrorList) {
    for field in ["dataSource", "dataSourceRef"] {
        let source = spec.at(field);
        if !source.exists() {
            continue;
        }
        source.at("name").require(errors);
        source.at("kind").require(errors);
        let group = source.at("apiGroup").str();
        if group.is_empty() && source.at("kind").str() != "PersistentVolumeClaim" {
            let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            errors.push(source.invalid_value(source.at("kind").str(), detail));
        }
        if !group.is_empty() {
            source.at("apiGroup").check(errors, names::dns1123_subdomain);
        }
        if field == "dataSourceRef" && !source.at("namespace").is_empty() {
            source.at("namespace").check(errors, names::dns1123_label);
        }
    }
    validate_same_source(spec, errors);
}

/// Both fields name the same, and the older one cannot name what lies in another namespace.
fn validate_same_source(spec: &At, errors: &mut ErrorList) {
    let (source, reference) = (spec.at("dataSource"), spec.at("dataSourceRef"));
    if !source.exists() || !reference.exists() {
        return;
    }
    let differs =
        ["apiGroup", "kind", "name"].iter().any(|field| source.at(field).value() != reference.at(field).value());
    let wrong = if !reference.at("namespace").is_empty() {
        "may not be specified when dataSourceRef.namespace is specified"
    } else if differs {
        "must match dataSourceRef"
    } else {
        return;
    };
    // Upstream quotes a path where the value belongs, which has nothing that JSON shows.
    errors.push(spec.invalid_value(json!({}), wrong));
}

/// What a claim's status may count: `storage`, or a resource of someone else's domain.
pub(crate) fn validate_claim_resource_key(map: &At, key: &str, errors: &mut ErrorList) {
    let wrong = names::qualified_name(key);
    if !wrong.is_empty() {
        errors.extend(wrong.into_iter().map(|w| map.invalid_value(key, w)));
    } else if is_native_resource(key) && key != "storage" {
        errors.push(map.not_supported_value(key, &["storage"]));
    }
}
