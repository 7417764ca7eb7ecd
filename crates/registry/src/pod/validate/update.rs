//! What of a pod may change after creation (`ValidatePodUpdate`).

use super::annotations::{APPARMOR, MIRROR};
use super::scheduling::validate_tolerations;
use crate::At;
use crate::diff::diff;
use crate::names;
use crate::object::put;
use api::field::ErrorList;
use serde_json::{Map, Value};

const SPEC: &str = "io.k8s.api.core.v1.PodSpec";
const SELECTOR_TERM: &str = "io.k8s.api.core.v1.NodeSelectorTerm";
const UPDATABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// `ValidatePodUpdate` without the generic metadata.
pub(crate) fn validate_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    super::validate_metadata_and_spec(new, &mut errors);
    let (new_at, old_at) = (At::root(new), At::root(old));
    validate_annotations(&new_at, &old_at, &mut errors);
    let (new_spec, old_spec) = (new_at.at("spec"), old_at.at("spec"));
    for list in ["containers", "initContainers"] {
        let (new_list, old_list) = (new_spec.at(list), old_spec.at(list));
        if new_list.len() != old_list.len() {
            errors.push(new_list.forbidden("pod updates may not add or remove containers"));
            return errors;
        }
        for container in new_list.items() {
            container.at("image").require(&mut errors);
            super::container::validate_image_whitespace(&container, &mut errors);
        }
    }
    if !validate_deadline(&new_spec, &old_spec, &mut errors) {
        return errors;
    }
    validate_added_tolerations(&new_spec, &old_spec, &mut errors);
    validate_deleted_gates(&new_spec, &old_spec, &mut errors);
    validate_rest(&new_spec, &old_spec, &mut errors);
    errors
}

/// `ValidatePodSpecificAnnotationUpdates`
pub(super) fn validate_annotations(new: &At, old: &At, errors: &mut ErrorList) {
    let (new_metadata, old_metadata) = (new.at("metadata"), old.at("metadata"));
    let (new_annotations, old_annotations) = (new_metadata.at("annotations"), old_metadata.at("annotations"));
    for (key, value) in old_annotations.entries() {
        if new_annotations.key(key).value() == value.value() {
            continue;
        }
        if key.starts_with(APPARMOR) {
            errors.push(value.forbidden("may not remove or update AppArmor annotations"));
        }
        if key == MIRROR {
            errors.push(value.forbidden("may not remove or update mirror pod annotation"));
        }
    }
    for (key, value) in new_annotations.entries().filter(|(key, _)| !old_annotations.key(key).exists()) {
        if key.starts_with(APPARMOR) {
            errors.push(value.forbidden("may not add AppArmor annotations"));
        }
        if key == MIRROR {
            errors.push(value.forbidden("may not add mirror pod annotation"));
        }
    }
    super::annotations::validate_pod_specific(&new_annotations, &new.at("spec"), errors);
}

/// The deadline may come, or come closer. False where upstream stops looking.
fn validate_deadline(new: &At, old: &At, errors: &mut ErrorList) -> bool {
    let (new_at, old_seconds) = (new.at("activeDeadlineSeconds"), old.at("activeDeadlineSeconds").int());
    match (new_at.int(), old_seconds) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.push(new_at.invalid(names::inclusive_range(0, i64::from(i32::MAX))));
            false
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.push(new_at.invalid("must be less than or equal to previous value"));
            false
        }
        (None, Some(_)) => {
            errors.push(new_at.invalid("must not update from a positive integer to nil value"));
            true
        }
        _ => true,
    }
}

/// `validateOnlyAddedTolerations`
fn validate_added_tolerations(new: &At, old: &At, errors: &mut ErrorList) {
    let without_seconds = |toleration: &At| {
        let mut map = toleration.map().cloned().unwrap_or_default();
        map.remove("tolerationSeconds");
        map
    };
    let new_tolerations = new.at("tolerations");
    let kept: Vec<Map<String, Value>> = new_tolerations.items().map(|t| without_seconds(&t)).collect();
    if old.at("tolerations").items().any(|t| !kept.contains(&without_seconds(&t))) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(new_tolerations.forbidden(detail));
        return;
    }
    validate_tolerations(&new_tolerations, errors);
}

/// `validateOnlyDeletedSchedulingGates`
fn validate_deleted_gates(new: &At, old: &At, errors: &mut ErrorList) {
    let old_gates = old.at("schedulingGates");
    for gate in new.at("schedulingGates").items() {
        let name = gate.at("name");
        if !old_gates.items().any(|old| old.at("name").str() == name.str()) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", name.str());
            errors.push(name.forbidden(detail));
        }
    }
}

/// Everything that was not looked at singly must be equal.
fn validate_rest(new: &At, old: &At, errors: &mut ErrorList) {
    let (Some(new_map), Some(old_map)) = (new.map(), old.map()) else {
        return;
    };
    if new_map == old_map {
        return;
    }
    let mut munged = new_map.clone();
    for list in ["containers", "initContainers"] {
        let images = old_map.get(list).and_then(Value::as_array).into_iter().flatten();
        let containers = munged.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, image) in containers.zip(images.map(|old| old.get("image").cloned())) {
            if let Value::Object(container) = container {
                put(container, "image", image);
            }
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        put(&mut munged, field, old_map.get(field).cloned());
    }
    let grace = |map: &Map<String, Value>| map.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
    if grace(old_map).is_some_and(|seconds| seconds < 0) && grace(&munged) == Some(1) {
        put(&mut munged, "terminationGracePeriodSeconds", old_map.get("terminationGracePeriodSeconds").cloned());
    }
    if !old.at("schedulingGates").is_empty() {
        munge_gated(&mut munged, new, old, errors);
    }
    if munged != *old_map {
        let change = diff(SPEC, &old_map.clone().into(), &munged.into());
        errors.push(new.forbidden(format!("{UPDATABLE}\n{change}")));
    }
}

/// A gated pod may be bound to fewer nodes (KEP-3838).
fn munge_gated(munged: &mut Map<String, Value>, new: &At, old: &At, errors: &mut ErrorList) {
    let (new_selector, old_selector) = (new.at("nodeSelector"), old.at("nodeSelector"));
    for (key, value) in old_selector.entries() {
        if new_selector.key(key).value() != value.value() {
            let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.push(new_selector.invalid_value(new_selector.value().cloned().unwrap_or(Value::Null), detail));
            break;
        }
    }
    put(munged, "nodeSelector", old.at("nodeSelector").value().cloned());
    let (new_affinity, old_affinity) = (new.at("affinity"), old.at("affinity"));
    let (new_node, old_node) = (new_affinity.at("nodeAffinity"), old_affinity.at("nodeAffinity"));
    if new_node.value() == old_node.value() {
        return;
    }
    validate_node_affinity_mutation(&new_node, &old_node, errors);
    let affinity = munged.entry("affinity").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(map) = affinity {
        put(map, "nodeAffinity", old_node.value().cloned());
        if map.is_empty() && !old_affinity.exists() {
            munged.remove("affinity");
        }
    }
}

/// `validateNodeAffinityMutation`: terms stay, expressions may be added to each.
fn validate_node_affinity_mutation(new: &At, old: &At, errors: &mut ErrorList) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let old_required = old.at(REQUIRED);
    if !old_required.exists() {
        return;
    }
    let new_required = new.at(REQUIRED);
    let (old_terms, new_terms) = (old_required.at("nodeSelectorTerms"), new_required.at("nodeSelectorTerms"));
    if old_terms.len() != new_terms.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.push(if new_terms.exists() {
            new_terms.invalid_structs(SELECTOR_TERM, detail)
        } else {
            new_terms.invalid_value(Value::Null, detail)
        });
        return;
    }
    for (old_term, new_term) in old_terms.items().zip(new_terms.items()) {
        let grown = ["matchExpressions", "matchFields"].iter().all(|field| {
            let (old_list, new_list) = (old_term.at(field), new_term.at(field));
            old_list.len() <= new_list.len()
                && old_list.items().zip(new_list.items()).all(|(a, b)| a.value() == b.value())
        });
        if !grown || (old_term.is_empty() && !new_term.is_empty()) {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.push(new_term.invalid_struct(SELECTOR_TERM, detail));
        }
    }
}
