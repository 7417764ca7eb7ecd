//! Changes through `ephemeralcontainers` and `resize`, and bindings.

use super::annotations::MIRROR;
use super::update::validate_annotations;
use crate::At;
use crate::diff::diff;
use crate::object::{child_or_new, put};
use crate::pod::qos::generic_qos;
use api::field::{Error, ErrorList, Path};
use serde_json::{Map, Value};

/// `ValidatePodEphemeralContainersUpdate`
pub(crate) fn validate_ephemeral_containers(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    super::validate_metadata_and_spec(new, &mut errors);
    let (new, old) = (At::root(new), At::root(old));
    validate_annotations(&new, &old, &mut errors);
    if is_mirror(&old) {
        return vec![Error::forbidden(&Path::new(""), "static pods do not support ephemeral containers")];
    }
    let (new_spec, old_spec) = (new.at("spec"), old.at("spec"));
    let list = new_spec.at("ephemeralContainers");
    for before in old_spec.at("ephemeralContainers").items() {
        let name = before.at("name").str();
        match list.items().find(|c| c.at("name").str() == name) {
            None => errors.push(list.forbidden(format!("existing ephemeral containers {name:?} may not be removed\n"))),
            Some(now) if now.value() != before.value() => {
                let value = |at: &At| at.value().cloned().unwrap_or(Value::Null);
                let change = diff(&value(&before), &value(&now));
                errors.push(
                    list.forbidden(format!("existing ephemeral containers {name:?} may not be changed\n{change}")),
                );
            }
            Some(_) => {}
        }
    }
    errors
}

fn is_mirror(pod: &At) -> bool {
    pod.at("metadata").at("annotations").key(MIRROR).exists()
}

/// `ValidatePodResize`
pub(crate) fn validate_resize(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    super::validate_metadata_and_spec(new, &mut errors);
    let (new, old) = (At::root(new), At::root(old));
    let (new_spec, old_spec) = (new.at("spec"), old.at("spec"));
    let all = |why: &str| vec![Error::forbidden(&Path::new(""), why)];
    if is_mirror(&old) {
        return all("static pods cannot be resized");
    }
    if old_spec.at("os").at("name").str() == "windows" {
        return all("windows pods cannot be resized");
    }
    let (Some(new_map), Some(old_map)) = (new_spec.map(), old_spec.map()) else {
        return errors;
    };
    let class = old.at("status").at("qosClass").str();
    let class = if class.is_empty() { generic_qos(old_map).name() } else { class };
    if class != generic_qos(new_map).name() {
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.push(new_spec.invalid_value(new.at("status").at("qosClass").str(), detail));
    }
    if !is_resize_supported(&old) {
        errors.push(new_spec.forbidden("Pod running on node without support for resize"));
    }
    let lists = [("initContainers", true), ("containers", false)];
    for (list, sidecars_only) in lists {
        for (now, before) in new_spec.at(list).items().zip(old_spec.at(list).items()) {
            if !sidecars_only || before.at("restartPolicy").str() == "Always" {
                validate_kept(&now, &before, &mut errors);
            }
        }
    }
    validate_only_compute(&new_spec, &old_spec, &mut errors);
    errors
}

/// Whether the node has shown that it resizes; unknown while nothing runs.
fn is_resize_supported(pod: &At) -> bool {
    let status = pod.at("status");
    let statuses = status.at("containerStatuses");
    let running = statuses.items().find(|status| status.at("state").at("running").exists());
    running.is_none_or(|status| status.at("resources").exists())
}

/// What a container asks for or is limited by may change, not vanish.
fn validate_kept(now: &At, before: &At, errors: &mut ErrorList) {
    let (now, before) = (now.at("resources"), before.at("resources"));
    for list in ["requests", "limits"] {
        let (new_list, old_list) = (now.at(list), before.at(list));
        if old_list.entries().any(|(name, _)| !new_list.key(name).exists()) {
            errors.push(new_list.forbidden(format!("resource {list} cannot be removed")));
        }
    }
}

/// Nothing but cpu and memory of app containers and sidecars may differ.
fn validate_only_compute(new: &At, old: &At, errors: &mut ErrorList) {
    let before = errors.len();
    for (now, was) in new.at("containers").items().zip(old.at("containers").items()) {
        if with_old_compute(&now, &was) != was.map().cloned().unwrap_or_default() {
            errors.push(new.forbidden("only cpu and memory resources are mutable"));
        }
    }
    for (now, was) in new.at("initContainers").items().zip(old.at("initContainers").items()) {
        if now.at("restartPolicy").str() == "Always" {
            if with_old_compute(&now, &was) != was.map().cloned().unwrap_or_default() {
                errors.push(new.forbidden("only cpu and memory resources for sidecar containers are mutable"));
            }
        } else if now.value() != was.value() {
            errors.push(new.forbidden("resources for non-sidecar init containers are immutable"));
        }
    }
    let (Some(new_map), Some(old_map)) = (new.map(), old.map()) else {
        return;
    };
    let rest = |map: &Map<String, Value>| {
        let mut map = map.clone();
        ["containers", "initContainers", "resources"].iter().for_each(|list| put(&mut map, list, None));
        map
    };
    let counts = |at: &At| (at.at("containers").len(), at.at("initContainers").len());
    if errors.len() == before && (rest(new_map) != rest(old_map) || counts(new) != counts(old)) {
        errors.push(new.forbidden("only cpu and memory resources are mutable"));
    }
}

/// A container with cpu, memory and resize policy as they were.
fn with_old_compute(now: &At, was: &At) -> Map<String, Value> {
    let mut container = now.map().cloned().unwrap_or_default();
    put(&mut container, "resizePolicy", was.at("resizePolicy").value().cloned());
    let old = was.at("resources");
    let resources = child_or_new(&mut container, "resources");
    for list in ["limits", "requests"] {
        let amounts = child_or_new(resources, list);
        for name in ["cpu", "memory"] {
            put(amounts, name, old.at(list).key(name).value().cloned());
        }
        if amounts.is_empty() {
            resources.remove(list);
        }
    }
    container
}

/// `ValidatePodBinding`
pub(crate) fn validate_binding(binding: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let binding = At::root(binding);
    let target = binding.at("target");
    if !matches!(target.at("kind").str(), "" | "Node") {
        errors.push(target.at("kind").not_supported(&["Node", "<empty>"]));
    }
    target.at("name").require(&mut errors);
    errors
}

/// Keeps of a resize only what it may change; a changed list of containers is left for validation to refuse.
pub(crate) fn merge_resize(new: &mut Value, old: &Value) {
    let names = |pod: &Value, list: &str| -> Vec<Value> {
        let containers = pod.get("spec").and_then(|s| s.get(list)).and_then(Value::as_array).into_iter().flatten();
        containers.map(|c| c.get("name").cloned().unwrap_or(Value::Null)).collect()
    };
    let lists = ["containers", "initContainers"];
    if lists.iter().any(|list| names(new, list) != names(old, list)) {
        return;
    }
    let mut spec = old.get("spec").cloned().unwrap_or(Value::Null);
    for list in lists {
        let count = names(old, list).len();
        for index in 0..count {
            for field in ["resources", "resizePolicy"] {
                let value = new["spec"][list][index].get(field).cloned();
                if let Value::Object(container) = &mut spec[list][index] {
                    put(container, field, value);
                }
            }
        }
    }
    if let (Value::Object(spec), Some(own)) = (&mut spec, new["spec"].get("resources")) {
        spec.insert("resources".to_owned(), own.clone());
    }
    new["spec"] = spec;
}
