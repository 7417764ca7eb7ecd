//! Changes through `resize`: what containers and the pod as a whole ask for and may use, and no more (`ValidatePodResize`).

use super::subresource::{is_mirror, whole};
use crate::At;
use crate::object::put;
use crate::pod::qos::generic_qos;
use api::field::ErrorList;
use serde_json::{Map, Value};

/// What may change of a list of resources.
const COMPUTE: [&str; 2] = ["cpu", "memory"];
const LISTS: [&str; 2] = ["requests", "limits"];

/// `ValidatePodResize`
pub(crate) fn validate_resize(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    super::validate_metadata_and_spec(new, &mut errors);
    let (new, old) = (At::root(new), At::root(old));
    let (new_spec, old_spec) = (new.at("spec"), old.at("spec"));
    if is_mirror(&old) {
        return whole("static pods cannot be resized");
    }
    if old_spec.at("os").at("name").str() == "windows" {
        return whole("windows pods cannot be resized");
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
    if !is_supported(&old) {
        errors.push(new_spec.forbidden("Pod running on node without support for resize"));
    }
    let mut munged = new_map.clone();
    validate_pod_level(&new_spec, &old_spec, &mut munged, &mut errors);
    if !old.at("status").at("nodeAllocatableResourceClaimStatuses").is_empty() {
        errors.push(new_spec.forbidden("pods with node allocatable resource claims cannot be resized"));
    }
    let before = errors.len();
    validate_order(&new_spec, &old_spec, &mut errors);
    if errors.len() > before {
        return errors;
    }
    for list in ["initContainers", "containers"] {
        for (now, was) in new_spec.at(list).items().zip(old_spec.at(list).items()) {
            validate_kept(&now.at("resources"), &was.at("resources"), "resource", &mut errors);
        }
    }
    validate_app_containers(&new_spec, &old_spec, &mut munged, &mut errors);
    validate_init_containers(&new_spec, &old_spec, &mut munged, &mut errors);
    if errors.is_empty() && munged != *old_map {
        errors.push(new_spec.forbidden("only cpu and memory resources are mutable"));
    }
    errors
}

/// Whether the node has shown that it resizes; unknown while nothing runs.
fn is_supported(pod: &At) -> bool {
    let status = pod.at("status");
    let statuses = status.at("containerStatuses");
    let running = statuses.items().find(|status| status.at("state").at("running").exists());
    running.is_none_or(|status| status.at("resources").exists())
}

/// `validatePodLevelResourcesResize`: what the pod itself asks for (KEP-5419).
fn validate_pod_level(new: &At, old: &At, munged: &mut Map<String, Value>, errors: &mut ErrorList) {
    let (now, was) = (new.at("resources"), old.at("resources"));
    let is_set = |at: &At| LISTS.iter().any(|list| !at.at(list).is_empty());
    if !is_set(&now) && !is_set(&was) {
        return;
    }
    if was.exists() && !now.exists() {
        errors.push(now.forbidden("pod-level resources cannot be removed"));
        return;
    }
    validate_kept(&now, &was, "pod-level resource", errors);
    let mut resources = with_old_compute(&now, &was);
    put(&mut resources, "claims", now.at("claims").value().cloned());
    let same = resources == was.map().cloned().unwrap_or_default();
    put(munged, "resources", (!resources.is_empty() || was.exists()).then(|| resources.into()));
    if !same {
        errors.push(new.forbidden("only cpu and memory resources are mutable at pod-level"));
    }
}

/// The same containers in the same order.
fn validate_order(new: &At, old: &At, errors: &mut ErrorList) {
    for list in ["containers", "initContainers"] {
        let (now, was) = (new.at(list), old.at(list));
        if now.len() != was.len() {
            errors.push(now.forbidden(format!("{list} may not be added or removed on resize")));
            continue;
        }
        for (now, was) in now.items().zip(was.items()) {
            if now.at("name").str() != was.at("name").str() {
                let detail = format!("{list} may not be renamed or reordered on resize");
                errors.push(now.at("name").forbidden(detail));
            }
        }
    }
}

/// What is asked for or limited may change, not vanish.
fn validate_kept(now: &At, was: &At, what: &str, errors: &mut ErrorList) {
    for list in LISTS {
        let (new_list, old_list) = (now.at(list), was.at(list));
        if old_list.entries().any(|(name, _)| !new_list.key(name).exists()) {
            errors.push(new_list.forbidden(format!("{what} {list} cannot be removed")));
        }
    }
}

fn validate_app_containers(new: &At, old: &At, munged: &mut Map<String, Value>, errors: &mut ErrorList) {
    let containers = old.at("containers");
    let now: Vec<Value> = new.at("containers").items().zip(containers.items()).map(|(n, w)| munge(&n, &w)).collect();
    for (munged, was) in now.iter().zip(containers.items()) {
        if Some(munged) != was.value() {
            errors.push(new.forbidden("only cpu and memory resources are mutable"));
        }
    }
    munged.insert("containers".to_owned(), now.into());
}

/// Init containers too, those that start again for a change only where they run on.
fn validate_init_containers(new: &At, old: &At, munged: &mut Map<String, Value>, errors: &mut ErrorList) {
    let mut containers = Vec::new();
    for (now, was) in new.at("initContainers").items().zip(old.at("initContainers").items()) {
        let own = munge(&now, &was);
        if Some(&own) != was.value() {
            let detail = "only cpu and memory resources for init or sidecar containers are mutable";
            errors.push(now.forbidden(detail));
        }
        let restarts = |policy: &At| policy.at("restartPolicy").str() == "RestartContainer";
        let is_sidecar = now.at("restartPolicy").str() == "Always";
        if now.value() != was.value() && !is_sidecar && now.at("resizePolicy").items().any(|policy| restarts(&policy)) {
            let detail = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
            errors.push(now.forbidden(detail));
        }
        containers.push(own);
    }
    if !containers.is_empty() {
        munged.insert("initContainers".to_owned(), containers.into());
    }
}

/// A container with cpu and memory as they were (`dropCPUMemoryResourcesFromContainer`).
fn munge(now: &At, was: &At) -> Value {
    let mut container = now.map().cloned().unwrap_or_default();
    container.insert("resources".to_owned(), with_old_compute(&now.at("resources"), &was.at("resources")).into());
    container.into()
}

/// Requests and limits with cpu and memory as they were. Claims are left out, as upstream does.
fn with_old_compute(now: &At, was: &At) -> Map<String, Value> {
    let mut resources = Map::new();
    for list in LISTS {
        let mut amounts = now.at(list).map().cloned().unwrap_or_default();
        for name in COMPUTE {
            put(&mut amounts, name, was.at(list).key(name).value().cloned());
        }
        put(&mut resources, list, (!amounts.is_empty()).then(|| amounts.into()));
    }
    resources
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
    if let Value::Object(spec) = &mut spec {
        let own = new["spec"].get("resources").cloned();
        put(spec, "resources", own);
    }
    new["spec"] = spec;
}
