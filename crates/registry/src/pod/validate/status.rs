//! Changes of a pod's status (`ValidatePodStatusUpdate`).

use super::update::validate_annotations;
use crate::At;
use crate::names;
use api::field::ErrorList;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// `ValidatePodStatusUpdate` without the generic metadata.
pub(crate) fn validate_status_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (new, old) = (At::root(new), At::root(old));
    validate_annotations(&new, &old, &mut errors);
    let (status, old_status) = (new.at("status"), old.at("status"));
    // Upstream's path is that of metadata.
    let metadata = new.at("metadata");
    for condition in metadata.elsewhere("conditions", status.at("conditions").value()).items() {
        if !matches!(condition.at("type").str(), "PodScheduled" | "Ready" | "Initialized") {
            condition.at_as("type", "Type").check(&mut errors, names::qualified_name);
        }
    }
    let (spec, old_spec) = (new.at("spec"), old.at("spec"));
    if spec.at("nodeName").str() != old_spec.at("nodeName").str() {
        errors.push(status.at("nodeName").forbidden("may not be changed directly"));
    }
    let nominated = status.at("nominatedNodeName");
    if !nominated.is_empty() && nominated.str() != old_status.at("nominatedNodeName").str() {
        nominated.check(&mut errors, names::dns1123_subdomain);
    }
    let class = status.at("qosClass");
    if class.str() != old_status.at("qosClass").str() {
        errors.push(class.invalid("field is immutable"));
    }
    let policy = old_spec.at("restartPolicy").str();
    validate_transitions(&status, &old_status, &old_spec, policy, &mut errors);
    validate_claim_statuses(&status, &spec, &mut errors);
    validate_addresses(&status.at("podIPs"), "io.k8s.api.core.v1.PodIP", &mut errors);
    let hosts = status.at("hostIPs");
    if let Some(first) = hosts.items().next()
        && first.at("ip").str() != status.at("hostIP").str()
    {
        errors.push(first.at("ip").invalid("must be equal to `hostIP`"));
    }
    validate_addresses(&hosts, "io.k8s.api.core.v1.HostIP", &mut errors);
    errors
}

/// A container that has ended for good does not come back.
fn validate_transitions(new: &At, old: &At, spec: &At, policy: &str, errors: &mut ErrorList) {
    let init = spec.at("initContainers");
    for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        let policy = if list == "ephemeralContainerStatuses" { "Never" } else { policy };
        if policy == "Always" {
            continue;
        }
        let (new_list, old_list) = (new.at(list), old.at(list));
        for before in old_list.items() {
            let name = before.at("name").str();
            let state = before.at("state");
            let ended = state.at("terminated");
            if !ended.exists() || restarts(spec, name, list, policy, ended.at("exitCode").int().unwrap_or(0)) {
                continue;
            }
            let sidecar = |c: &At| c.at("name").str() == name && c.at("restartPolicy").str() == "Always";
            if list == "initContainerStatuses" && init.items().any(|c| sidecar(&c)) {
                continue;
            }
            let alive = |now: &At| now.at("name").str() == name && !now.at("state").at("terminated").exists();
            if new_list.items().any(|now| alive(&now)) {
                errors.push(state.forbidden("may not be transitioned to non-terminated state"));
            }
        }
    }
}

/// Whether a container that ended with this code may start again by the pod's policy or its own (KEP-5307).
fn restarts(spec: &At, name: &str, list: &str, policy: &str, exit_code: i64) -> bool {
    let containers = if list == "initContainerStatuses" { "initContainers" } else { "containers" };
    let all = spec.at(containers);
    let own = all.items().find(|c| c.at("name").str() == name);
    let own_policy = own.as_ref().map(|c| c.at("restartPolicy").str()).filter(|p| !p.is_empty());
    let ruled = own.as_ref().is_some_and(|c| !c.at("restartPolicyRules").is_empty());
    ruled || own_policy == Some("Always") || (exit_code != 0 && own_policy.unwrap_or(policy) == "OnFailure")
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
    }
}

/// `validatePodIPs`, `validateHostIPs`: at most one address of each family.
fn validate_addresses(addresses: &At, definition: &str, errors: &mut ErrorList) {
    for address in addresses.items() {
        let text = address.at("ip").str();
        errors.extend(names::ip(text).into_iter().map(|w| address.invalid_value(text, w).ratcheting()));
    }
    if addresses.len() < 2 {
        return;
    }
    let parsed: Vec<IpAddr> = addresses.items().filter_map(|a| a.at("ip").str().parse().ok()).collect();
    let dual = parsed.iter().any(IpAddr::is_ipv4) && parsed.iter().any(IpAddr::is_ipv6);
    if !dual || addresses.len() > 2 {
        errors.push(addresses.invalid_structs(definition, "may specify no more than one IP for each IP family"));
    }
    let mut seen = BTreeSet::new();
    for address in addresses.items() {
        if !seen.insert(address.at("ip").str()) {
            errors.push(address.duplicate_struct(definition));
        }
    }
}
