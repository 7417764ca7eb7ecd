//! The three lists of containers, and what every container must fulfil.

use super::{Context, env, handler, mount, probe, requirements, security};
use crate::At;
use crate::names;
use api::field::ErrorList;
use std::collections::BTreeSet;

/// Fields of an app container that an ephemeral one may not have, in the order of Go's struct.
const NOT_FOR_EPHEMERAL: [&str; 9] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

/// `validateContainers`
pub(super) fn validate_containers(containers: &At, context: &Context<'_>, errors: &mut ErrorList) {
    if containers.is_empty() {
        errors.push(containers.required(""));
        return;
    }
    let mut names = BTreeSet::new();
    for container in containers.items() {
        validate_common(&container, context, errors);
        if !names.insert(container.at("name").str()) {
            errors.push(container.at("name").duplicate());
        }
        handler::validate_lifecycle(&container.at("lifecycle"), context, errors);
        probe::validate_probes(&container, context, errors);
        validate_restart_policy(&container, errors);
    }
    let mut seen = BTreeSet::new();
    containers.items().for_each(|container| validate_host_ports(&container, &mut seen, errors));
}

/// `validateInitContainers`
pub(super) fn validate_init_containers(spec: &At, context: &Context<'_>, errors: &mut ErrorList) {
    let mut names: BTreeSet<&str> = spec.at("containers").items().map(|c| c.at("name").str()).collect();
    for container in spec.at("initContainers").items() {
        validate_common(&container, context, errors);
        validate_restart_policy(&container, errors);
        let name = container.at("name");
        if names.contains(name.str()) {
            errors.push(name.duplicate());
        } else if !name.is_empty() {
            names.insert(name.str());
        }
        // They run one after the other, so that only ports within one of them clash.
        let before = errors.len();
        validate_host_ports(&container, &mut BTreeSet::new(), errors);
        for error in &mut errors[before..] {
            // Upstream looks at a list of this one.
            let list = spec.at("initContainers").path().index(0).to_string();
            error.field = error.field.replacen(&container.path().to_string(), &list, 1);
        }
        if container.at("restartPolicy").str() == "Always" {
            handler::validate_lifecycle(&container.at("lifecycle"), context, errors);
            probe::validate_probes(&container, context, errors);
        } else {
            for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                let at = container.at(field);
                if at.exists() {
                    errors.push(at.forbidden("may not be set for init containers without restartPolicy=Always"));
                }
            }
        }
    }
}

/// `validateEphemeralContainers`
pub(super) fn validate_ephemeral_containers(spec: &At, context: &Context<'_>, errors: &mut ErrorList) {
    if spec.at("ephemeralContainers").is_empty() {
        return;
    }
    let (app, init) = (spec.at("containers"), spec.at("initContainers"));
    let others: BTreeSet<&str> = app.items().chain(init.items()).map(|c| c.at("name").str()).collect();
    let mut all = others.clone();
    for container in spec.at("ephemeralContainers").items() {
        validate_common(&container, context, errors);
        validate_image_whitespace(&container, errors);
        if !all.insert(container.at("name").str()) {
            errors.push(container.at("name").duplicate());
        }
        let target = container.at("targetContainerName");
        if !target.is_empty() && !others.contains(target.str()) {
            errors.push(target.not_found());
        }
        for field in NOT_FOR_EPHEMERAL {
            let at = container.at(field);
            if !at.is_empty() {
                errors.push(at.forbidden("cannot be set for an Ephemeral Container"));
            }
        }
        for mount in container.at("volumeMounts").items() {
            for field in ["subPath", "subPathExpr"] {
                if !mount.at(field).is_empty() {
                    errors.push(mount.at(field).forbidden("cannot be set for an Ephemeral Container"));
                }
            }
        }
    }
}

/// Pods (not templates) may not pad the image.
pub(super) fn validate_image_whitespace(container: &At, errors: &mut ErrorList) {
    let image = container.at("image");
    if image.str().trim().len() != image.str().len() {
        errors.push(image.invalid("must not have leading or trailing whitespace"));
    }
}

/// `validateContainerCommon`
fn validate_common(container: &At, context: &Context<'_>, errors: &mut ErrorList) {
    container.at("name").require_and_check(errors, names::dns1123_label);
    container.at("image").require(errors);
    let policies = ["File", "FallbackToLogsOnError"];
    container.at("terminationMessagePolicy").require_one_of(errors, &policies);
    validate_ports(&container.at("ports"), errors);
    env::validate_env(&container.at("env"), context, errors);
    env::validate_env_from(&container.at("envFrom"), errors);
    mount::validate_volume_mounts(container, context, errors);
    mount::validate_volume_devices(container, context, errors);
    container.at("imagePullPolicy").require_one_of(errors, &["Always", "IfNotPresent", "Never"]);
    requirements::validate_container(&container.at("resources"), context, errors);
    validate_resize_policy(&container.at("resizePolicy"), context, errors);
    security::validate_security_context(&container.at("securityContext"), context.host_users, errors);
}

/// `validateContainerPorts`
fn validate_ports(ports: &At, errors: &mut ErrorList) {
    let mut names = BTreeSet::new();
    for port in ports.items() {
        let name = port.at("name");
        if !name.is_empty() {
            let wrong = names::port_name(name.str());
            if !wrong.is_empty() {
                errors.extend(wrong.into_iter().map(|w| name.invalid(w)));
            } else if !names.insert(name.str()) {
                errors.push(name.duplicate());
            }
        }
        let number = port.at("containerPort");
        match number.int().unwrap_or(0) {
            0 => errors.push(number.required("")),
            n => errors.extend(names::port_number(n).into_iter().map(|w| number.invalid(w))),
        }
        let host = port.at("hostPort");
        if let Some(n) = host.int().filter(|n| *n != 0) {
            errors.extend(names::port_number(n).into_iter().map(|w| host.invalid(w)));
        }
        port.at("protocol").require_one_of(errors, &["SCTP", "TCP", "UDP"]);
    }
}

/// `AccumulateUniqueHostPorts`
fn validate_host_ports(container: &At, seen: &mut BTreeSet<String>, errors: &mut ErrorList) {
    for port in container.at("ports").items() {
        let host = port.at("hostPort");
        let Some(number) = host.int().filter(|n| *n != 0) else {
            continue;
        };
        let key = format!("{}/{}/{number}", port.at("protocol").str(), port.at("hostIP").str());
        if seen.contains(&key) {
            let mut error = host.duplicate();
            error.bad_value = key.into();
            errors.push(error);
        } else {
            seen.insert(key);
        }
    }
}

/// `validateContainerRestartPolicy`: KEP-5307.
fn validate_restart_policy(container: &At, errors: &mut ErrorList) {
    /// Rules of one container, and exit codes of one rule.
    const MAX_RULES: usize = 20;
    const MAX_EXIT_CODES: usize = 255;
    let policy = container.at("restartPolicy");
    let rules = container.at("restartPolicyRules");
    if policy.exists() {
        policy.one_of(errors, &["Always", "Never", "OnFailure"]);
    } else if !rules.is_empty() {
        errors.push(policy.required("must specify restartPolicy when restart rules are used"));
    }
    if rules.len() > MAX_RULES {
        errors.push(rules.too_long(MAX_RULES));
    }
    for rule in rules.items() {
        let action = rule.at("action");
        if !["Restart", "RestartAllContainers"].contains(&action.str()) {
            errors.push(action.not_supported(&["Restart", "RestartAllContainers"]));
        }
        let codes = rule.at("exitCodes");
        if !codes.exists() {
            errors.push(codes.required("must be specified"));
            continue;
        }
        let operator = codes.at("operator");
        if !["In", "NotIn"].contains(&operator.str()) {
            errors.push(operator.not_supported(&["In", "NotIn"]));
        }
        if codes.at("values").len() > MAX_EXIT_CODES {
            errors.push(codes.at("values").too_long(MAX_EXIT_CODES));
        }
    }
}

/// `validateResizePolicy`
fn validate_resize_policy(policies: &At, context: &Context<'_>, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for policy in policies.items() {
        let (resource, restart) = (policy.at("resourceName"), policy.at("restartPolicy"));
        if !seen.insert(resource.str()) {
            errors.push(api::field::Error::duplicate(&policy.path(), resource.str()));
        }
        // Upstream blames the list, not the entry.
        for (value, supported) in
            [(resource.str(), ["cpu", "memory"]), (restart.str(), ["NotRequired", "RestartContainer"])]
        {
            if value.is_empty() {
                errors.push(policies.required(""));
            } else if !supported.contains(&value) {
                errors.push(policies.not_supported_value(value, &supported));
            }
        }
        if context.restart_policy == "Never" && restart.str() != "NotRequired" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.push(policies.invalid_value(restart.str(), detail));
        }
    }
}
