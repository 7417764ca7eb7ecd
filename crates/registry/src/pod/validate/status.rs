//! Changes of a pod's status (`ValidatePodStatusUpdate`). What containers report is in `containers`.

mod containers;

use super::update::validate_annotations;
use crate::At;
use crate::names;
use api::field::{Error, ErrorList};
use serde_json::Value;
use std::collections::BTreeSet;

/// `ValidatePodStatusUpdate` without the generic metadata.
pub(crate) fn validate_status_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (new, old) = (At::root(new), At::root(old));
    validate_annotations(&new, &old, &mut errors);
    let (status, old_status) = (new.at("status"), old.at("status"));
    validate_conditions(&status.at("conditions"), &mut errors);
    let (spec, old_spec) = (new.at("spec"), old.at("spec"));
    if spec.at("nodeName").str() != old_spec.at("nodeName").str() {
        errors.push(status.at("nodeName").forbidden("may not be changed directly"));
    }
    validate_nomination(&status, &old_status, &old_spec, &mut errors);
    validate_generation(&status.at("observedGeneration"), &mut errors);
    let class = status.at("qosClass");
    if class.str() != old_status.at("qosClass").str() {
        errors.push(class.invalid("field is immutable"));
    }
    containers::validate_transitions(&status, &old_status, &old_spec, &mut errors);
    validate_claim_statuses(&status, &spec, &mut errors);
    validate_extended_resources(&status.at("extendedResourceClaimStatus"), &spec, &mut errors);
    let old_addresses =
        |list: &str| -> BTreeSet<&str> { old_status.at(list).items().map(|address| address.at("ip").str()).collect() };
    validate_addresses(&status.at("podIPs"), "io.k8s.api.core.v1.PodIP", &old_addresses("podIPs"), &mut errors);
    let hosts = status.at("hostIPs");
    if let Some(first) = hosts.items().next()
        && first.at("ip").str() != status.at("hostIP").str()
    {
        errors.push(first.at("ip").invalid("must be equal to `hostIP`"));
    }
    validate_addresses(&hosts, "io.k8s.api.core.v1.HostIP", &old_addresses("hostIPs"), &mut errors);
    containers::validate_users(&status, &spec, &mut errors);
    containers::validate_allocated_resources(&status, &spec, &mut errors);
    errors
}

fn validate_generation(generation: &At, errors: &mut ErrorList) {
    if generation.int().is_some_and(|generation| generation < 0) {
        errors.push(generation.invalid("must be a non-negative integer"));
    }
}

/// `validatePodConditions`: conditions of others have qualified names.
fn validate_conditions(conditions: &At, errors: &mut ErrorList) {
    for condition in conditions.items() {
        validate_generation(&condition.at("observedGeneration"), errors);
        if !matches!(condition.at("type").str(), "PodScheduled" | "Ready" | "Initialized") {
            condition.at_as("type", "Type").check(errors, names::qualified_name);
        }
    }
}

/// A node is nominated for a pod that has none.
fn validate_nomination(status: &At, old_status: &At, old_spec: &At, errors: &mut ErrorList) {
    let nominated = status.at("nominatedNodeName");
    if nominated.is_empty() || nominated.str() == old_status.at("nominatedNodeName").str() {
        return;
    }
    nominated.check(errors, names::dns1123_subdomain);
    if !old_spec.at("nodeName").is_empty() {
        errors.push(nominated.forbidden("may not be set on pods that are already bound to a node"));
    }
}

/// `validatePodResourceClaimStatuses`
fn validate_claim_statuses(status: &At, spec: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    let claims = spec.at("resourceClaims");
    for status in status.at("resourceClaimStatuses").items() {
        let name = status.at("name");
        if !claims.items().any(|claim| claim.at("name").str() == name.str()) {
            errors.push(name.invalid_value(name.str(), "must match the name of an entry in `spec.resourceClaims`"));
        }
        if !seen.insert(name.str()) {
            errors.push(name.duplicate());
        }
        let claim = status.at("resourceClaimName");
        if claim.exists() {
            // Upstream's path is that of the name.
            let wrong = names::dns1123_subdomain(claim.str());
            errors.extend(wrong.into_iter().map(|w| name.invalid_value(claim.str(), w)));
        }
    }
}

/// `validatePodExtendedResourceClaimStatus`: which request of the pod's own claim stands for which resource (KEP-5004).
fn validate_extended_resources(status: &At, spec: &At, errors: &mut ErrorList) {
    if !status.exists() {
        return;
    }
    let mappings = status.at("requestMappings");
    if mappings.is_empty() {
        errors.push(mappings.required("at least one request mapping is required"));
    }
    let (init, app) = (spec.at("initContainers"), spec.at("containers"));
    let mut seen = BTreeSet::new();
    for mapping in mappings.items() {
        let [container, resource, request] =
            ["containerName", "resourceName", "requestName"].map(|field| mapping.at(field).str());
        let mut of_name = init.items().chain(app.items()).filter(|c| c.at("name").str() == container).peekable();
        if of_name.peek().is_none() {
            let detail = "must match the name of an entry in spec.initContainers.name or spec.containers.name";
            errors.push(mapping.at("containerName").invalid_value(container, detail));
        } else if !of_name.last().is_some_and(|c| c.at("resources").at("requests").key(resource).exists()) {
            let detail = "must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests";
            errors.push(mapping.at("resourceName").invalid_value(resource, detail));
        }
        let at = status.at("requestName");
        errors.extend(names::dns1123_label(request).into_iter().map(|w| at.invalid_value(request, w)));
        if !seen.insert((container, resource, request)) {
            for (field, value) in [("containerName", container), ("resourceName", resource), ("requestName", request)] {
                errors.push(Error::duplicate(&mapping.at(field).path(), value));
            }
        }
    }
    status.at("resourceClaimName").require_and_check(errors, names::dns1123_subdomain);
}

/// `validatePodIPs`, `validateHostIPs`: at most one address of each family. What was there before may stay.
fn validate_addresses(addresses: &At, definition: &str, old: &BTreeSet<&str>, errors: &mut ErrorList) {
    for address in addresses.items() {
        let text = address.at("ip").str();
        if !old.contains(text) {
            errors.extend(names::ip(text).into_iter().map(|w| address.invalid_value(text, w)));
        }
    }
    if addresses.len() < 2 {
        return;
    }
    let parsed: Vec<_> = addresses.items().map(|address| names::parse_ip_sloppy(address.at("ip").str())).collect();
    if let Some(index) = parsed.iter().position(Option::is_none) {
        let detail = format!("failed to check for dual stack with error:invalid IP[{index}]: <nil>");
        errors.push(Error::internal(&addresses.path(), detail));
    }
    let has = |v4: bool| parsed.iter().flatten().any(|address| address.is_ipv4() == v4);
    let dual = parsed.iter().all(Option::is_some) && has(true) && has(false);
    if !dual || addresses.len() > 2 {
        errors.push(addresses.invalid_structs(definition, "may specify no more than one IP for each IP family"));
    }
}
