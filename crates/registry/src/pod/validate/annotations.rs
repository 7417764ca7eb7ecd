//! Annotations of pods that mean something: mirror pods, deletion cost, and seccomp and AppArmor of old.

use super::scheduling::validate_tolerations;
use crate::At;
use crate::kinds::annotated_list;
use crate::pod::defaults::CONTAINER_LISTS;
use api::field::{Error, ErrorList};

/// Marks the API's image of a static pod; the value is the hash of its source.
pub(crate) const MIRROR: &str = "kubernetes.io/config.mirror";
/// What became `spec.tolerations`.
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// Before the name of a container.
pub(crate) const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// `ValidatePodSpecificAnnotations`
pub(super) fn validate_pod_specific(annotations: &At, spec: &At, errors: &mut ErrorList) {
    if annotations.is_empty() {
        return;
    }
    let mirror = annotations.key(MIRROR);
    if mirror.exists() && spec.at("nodeName").is_empty() {
        errors.push(mirror.invalid("must set spec.nodeName if mirror pod annotation is set"));
    }
    if let Some(list) = annotated_list(annotations, TOLERATIONS, "[]core.Toleration", annotations, errors) {
        validate_tolerations(&annotations.elsewhere(TOLERATIONS, Some(&list)), errors);
    }
    let cost = annotations.key(DELETION_COST);
    if cost.exists() && !is_deletion_cost(cost.str()) {
        errors.push(cost.invalid("must be a 32bit integer"));
    }
    let pod = annotations.at(SECCOMP_POD);
    if pod.exists() {
        validate_seccomp_value(&pod, errors);
    }
    for (key, _) in annotations.entries().filter(|(key, _)| key.starts_with(SECCOMP_CONTAINER)) {
        validate_seccomp_value(&annotations.at(key), errors);
    }
    for (key, value) in annotations.entries() {
        let Some(container) = key.strip_prefix(APPARMOR) else {
            continue;
        };
        if !has_container(spec, container) {
            errors.push(value.invalid_value(container, "container not found"));
        }
        let profile = value.str();
        if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with("localhost/") {
            errors.push(value.invalid(format!("invalid AppArmor profile name: {profile:?}")));
        }
    }
}

/// A plain decimal number of 32 bits: no leading plus or zero.
fn is_deletion_cost(text: &str) -> bool {
    let plain = !text.starts_with('+') && (text == "0" || !text.trim_start_matches('-').starts_with('0'));
    plain && text.parse::<i32>().is_ok()
}

fn has_container(spec: &At, name: &str) -> bool {
    CONTAINER_LISTS.iter().any(|list| spec.at(list).items().any(|container| container.at("name").str() == name))
}

/// `ValidateSeccompProfile`
fn validate_seccomp_value(profile: &At, errors: &mut ErrorList) {
    let text = profile.str();
    if matches!(text, "runtime/default" | "docker/default" | "unconfined") {
        return;
    }
    match text.strip_prefix("localhost/") {
        None => errors.push(profile.invalid("must be a valid seccomp profile")),
        Some(path) => {
            if path.starts_with('/') {
                errors.push(profile.invalid_value(path, "must be a relative path"));
            }
            if path.split('/').any(|part| part == "..") {
                errors.push(profile.invalid_value(path, "must not contain '..'"));
            }
        }
    }
}

/// On creation the old annotations and the fields of today must say the same.
pub(super) fn validate_against_fields(annotations: &At, spec: &At, errors: &mut ErrorList) {
    if annotations.is_empty() {
        return;
    }
    let pod_context = spec.at("securityContext");
    let pod_seccomp = pod_context.at("seccompProfile");
    if pod_seccomp.exists() && annotations.key(SECCOMP_POD).exists() {
        match_profile(annotations.key(SECCOMP_POD).str(), &pod_seccomp, "seccomp", errors);
    }
    for list in CONTAINER_LISTS {
        for container in spec.at(list).items() {
            let key = format!("{SECCOMP_CONTAINER}{}", container.at("name").str());
            let context = container.at("securityContext");
            let own = context.at("seccompProfile");
            if own.exists() && annotations.key(&key).exists() {
                match_profile(annotations.key(&key).str(), &own, "seccomp", errors);
            }
        }
    }
    if spec.at("os").at("name").str() == "windows" {
        return;
    }
    let pod_profile = pod_context.at("appArmorProfile");
    for list in CONTAINER_LISTS {
        for container in spec.at(list).items() {
            let key = format!("{APPARMOR}{}", container.at("name").str());
            let context = container.at("securityContext");
            let own = context.at("appArmorProfile");
            let profile = if own.exists() { own.value() } else { pod_profile.value() };
            if profile.is_some() && annotations.key(&key).exists() {
                let shown = context.elsewhere("appArmorProfile", profile);
                match_profile(annotations.key(&key).str(), &shown, "apparmor", errors);
            }
        }
    }
}

/// Whether an annotation and a profile field agree.
fn match_profile(annotation: &str, profile: &At, what: &str, errors: &mut ErrorList) {
    let kind = profile.at("type");
    let differs =
        |at: &At, field: &str| -> Error { at.forbidden(format!("{what} {field} in annotation and field must match")) };
    let docker = what == "seccomp" && annotation == "docker/default";
    match kind.str() {
        "Unconfined" if annotation != "unconfined" => errors.push(differs(&kind, "type")),
        "RuntimeDefault" if annotation != "runtime/default" && !docker => errors.push(differs(&kind, "type")),
        "Localhost" => {
            let local = profile.at("localhostProfile");
            match annotation.strip_prefix("localhost/") {
                None => errors.push(differs(&kind, "type")),
                Some(path) if path != local.str() => errors.push(differs(&local, "profile")),
                Some(_) => {}
            }
        }
        _ => {}
    }
}
