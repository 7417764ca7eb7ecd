//! What the status of a pod says of its containers: that those that have ended for good stay so, whom they run as, and the
//! health of the devices that they have.

use crate::At;
use crate::pod::validate::security::validate_id;
use api::field::ErrorList;
use std::collections::BTreeSet;

/// The lists of containers in a spec, and of what they report in a status.
const LISTS: [(&str, &str); 3] = [
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
];

/// `ValidateContainerStateTransition` and its sisters: a container that will not start again does not come back.
pub(super) fn validate_transitions(new: &At, old: &At, spec: &At, errors: &mut ErrorList) {
    let all_restart = may_restart_all(spec);
    for (containers, statuses) in LISTS {
        let (new_list, old_list, containers_at) = (new.at(statuses), old.at(statuses), spec.at(containers));
        for before in old_list.items() {
            let name = before.at("name").str();
            let state = before.at("state");
            let ended = state.at("terminated");
            let code = ended.at("exitCode").int().unwrap_or(0);
            let own = containers_at.items().find(|container| container.at("name").str() == name);
            // The kubelet never starts ephemeral containers again.
            let starts_again = containers != "ephemeralContainers"
                && (all_restart || own.is_some_and(|own| should_restart(&own, spec.at("restartPolicy").str(), code)));
            if !ended.exists() || starts_again {
                continue;
            }
            let alive = |now: &At| now.at("name").str() == name && !now.at("state").at("terminated").exists();
            if new_list.items().any(|now| alive(&now)) {
                errors.push(state.forbidden("may not be transitioned to non-terminated state"));
            }
        }
    }
}

/// `ContainerShouldRestart` (KEP-5307): by the first of the container's rules that fits, by its policy, by the pod's.
fn should_restart(container: &At, pod_policy: &str, code: i64) -> bool {
    let own = container.at("restartPolicy");
    if own.exists() && container.at("restartPolicyRules").items().any(|rule| fits(&rule.at("exitCodes"), code)) {
        return true;
    }
    match (own.str(), pod_policy) {
        ("Always", _) => true,
        ("OnFailure", _) => code != 0,
        ("Never", _) => false,
        (_, "OnFailure") => code != 0,
        (_, policy) => policy != "Never",
    }
}

/// Whether the end of one container can start all of them again (KEP-5532).
fn may_restart_all(spec: &At) -> bool {
    let of_all = |rule: &At| rule.at("action").str() == "RestartAllContainers";
    ["containers", "initContainers"].iter().any(|list| {
        let containers = spec.at(list);
        containers.items().any(|container| container.at("restartPolicyRules").items().any(|rule| of_all(&rule)))
    })
}

/// Whether a rule's exit codes speak of this one.
fn fits(codes: &At, code: i64) -> bool {
    let listed = codes.at("values").items().any(|value| value.int() == Some(code));
    match codes.at("operator").str() {
        "In" => listed,
        "NotIn" => codes.exists() && !listed,
        _ => false,
    }
}

/// `validateContainerStatusUsers`
pub(super) fn validate_users(status: &At, spec: &At, errors: &mut ErrorList) {
    let is_windows = spec.at("os").at("name").str() == "windows";
    for (_, statuses) in LISTS {
        for container in status.at(statuses).items() {
            let user = container.at("user");
            let linux = user.at("linux");
            if !linux.exists() {
                continue;
            }
            if is_windows {
                errors.push(linux.forbidden("cannot be set for a windows pod"));
                continue;
            }
            validate_id(&linux.at("uid"), errors);
            validate_id(&linux.at("gid"), errors);
            linux.at("supplementalGroups").items().for_each(|group| validate_id(&group, errors));
        }
    }
}

/// `validateContainerStatusAllocatedResourcesStatus`: devices that the container asked for, each once.
pub(super) fn validate_allocated_resources(status: &At, spec: &At, errors: &mut ErrorList) {
    for (containers, statuses) in LISTS {
        let containers_at = spec.at(containers);
        for reported in status.at(statuses).items() {
            let allocated = reported.at("allocatedResourcesStatus");
            if containers == "ephemeralContainers" {
                if !allocated.is_empty() {
                    errors.push(allocated.forbidden("must not be specified in container status"));
                }
                continue;
            }
            let name = reported.at("name").str();
            let own = containers_at.items().find(|container| container.at("name").str() == name);
            for resource in allocated.items() {
                if let Some(own) = &own {
                    validate_asked_for(&resource.at("name"), &own.at("resources"), errors);
                }
                validate_health(&resource.at("resources"), errors);
            }
        }
    }
}

fn validate_asked_for(name: &At, resources: &At, errors: &mut ErrorList) {
    let Some(claim) = name.str().strip_prefix("claim:") else {
        if !resources.at("requests").key(name.str()).exists() {
            errors.push(name.invalid_value(name.str(), "must match one of the container's resource requests"));
        }
        return;
    };
    let asked = resources.at("claims").items().any(|own| match own.at("request").str() {
        "" => claim == own.at("name").str(),
        request => claim.split_once('/') == Some((own.at("name").str(), request)),
    });
    if !asked {
        let detail = "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty";
        errors.push(name.invalid(detail));
    }
}

fn validate_health(devices: &At, errors: &mut ErrorList) {
    const HEALTH: [&str; 3] = ["Healthy", "Unhealthy", "Unknown"];
    let mut seen = BTreeSet::new();
    for device in devices.items() {
        let (health, id) = (device.at("health"), device.at("resourceID"));
        if !HEALTH.contains(&health.str()) {
            errors.push(health.not_supported(&HEALTH));
        }
        if !seen.insert(id.str()) {
            errors.push(id.duplicate());
        }
    }
}
