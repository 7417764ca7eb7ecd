//! Security contexts of pods and containers.

use super::volume_source::validate_local_descending_path;
use super::windows::validate_windows_options;
use crate::At;
use crate::names;
use api::field::ErrorList;
use serde_json::Value;
use std::collections::BTreeSet;

/// The longest path that Linux takes, less the final zero.
const MAX_APPARMOR_PROFILE_BYTES: usize = 4095;
/// Names of kernel parameters.
const MAX_SYSCTL_BYTES: usize = 253;
const SYSCTL_FORMAT: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const PROFILE_TYPES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

/// `IsValidUserID`, `IsValidGroupID`
pub(super) fn validate_id(id: &At, errors: &mut ErrorList) {
    if id.int().is_some_and(|n| !(0..=i64::from(i32::MAX)).contains(&n)) {
        errors.push(id.invalid(names::inclusive_range(0, i64::from(i32::MAX))));
    }
}

/// `validatePodSpecSecurityContext`. Two of its fields stand beside it in the spec.
pub(super) fn validate_pod_security_context(spec: &At, errors: &mut ErrorList) {
    let context = spec.at("securityContext");
    if context.is_empty() && !spec.at("shareProcessNamespace").exists() {
        return;
    }
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        validate_id(&context.at(field), errors);
    }
    context.at("supplementalGroups").items().for_each(|group| validate_id(&group, errors));
    if spec.at("shareProcessNamespace").bool() && spec.at("hostPID").bool() {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(context.at("shareProcessNamespace").invalid_value(true, detail));
    }
    validate_sysctls(spec, errors);
    context.at("fsGroupChangePolicy").one_of(errors, &["Always", "OnRootMismatch"]);
    validate_seccomp_profile(&context.at("seccompProfile"), errors);
    validate_windows_options(&context.at("windowsOptions"), errors);
    validate_apparmor_profile(&context.at("appArmorProfile"), errors);
    context.at("supplementalGroupsPolicy").one_of(errors, &["Merge", "Strict"]);
    context.at("seLinuxChangePolicy").one_of(errors, &["MountOption", "Recursive"]);
}

/// `validateSysctls`
fn validate_sysctls(spec: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    let context = spec.at("securityContext");
    for sysctl in context.at("sysctls").items() {
        let name = sysctl.at("name");
        if name.is_empty() {
            errors.push(name.required(""));
        } else if !is_sysctl(name.str()) {
            let detail = format!("must have at most {MAX_SYSCTL_BYTES} characters and match regex {SYSCTL_FORMAT}");
            errors.push(name.invalid(detail));
        } else if seen.contains(name.str()) {
            errors.push(name.duplicate());
        }
        match sysctl_namespace(name.str()) {
            Some("net") if spec.at("hostNetwork").bool() => {
                errors.push(name.invalid("may not be specified when 'hostNetwork' is true"));
            }
            Some("ipc") if spec.at("hostIPC").bool() => {
                errors.push(name.invalid("may not be specified when 'hostIPC' is true"));
            }
            _ => {}
        }
        seen.insert(name.str());
    }
}

fn is_sysctl(name: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let segment = |part: &str| {
        let bytes = part.as_bytes();
        let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
            return false;
        };
        edge(first) && edge(last) && bytes.iter().all(|&b| edge(b) || b == b'-' || b == b'_')
    };
    name.len() <= MAX_SYSCTL_BYTES && name.split(['.', '/']).all(segment)
}

/// The kernel namespace that a parameter belongs to.
fn sysctl_namespace(name: &str) -> Option<&'static str> {
    let name = name.replace('/', ".");
    let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."];
    if name.starts_with("net.") {
        Some("net")
    } else if name == "kernel.sem" || ipc.iter().any(|prefix| name.starts_with(prefix)) {
        Some("ipc")
    } else {
        None
    }
}

/// `ValidateSecurityContext` of a container.
pub(super) fn validate_security_context(context: &At, host_users: bool, errors: &mut ErrorList) {
    if context.is_empty() {
        return;
    }
    validate_id(&context.at("runAsUser"), errors);
    validate_id(&context.at("runAsGroup"), errors);
    let proc_mount = context.at("procMount");
    proc_mount.one_of(errors, &["Default", "Unmasked"]);
    if host_users && proc_mount.str() == "Unmasked" {
        errors.push(proc_mount.invalid("`hostUsers` must be false to use `Unmasked`"));
    }
    validate_seccomp_profile(&context.at("seccompProfile"), errors);
    if context.at("allowPrivilegeEscalation").value().and_then(Value::as_bool) == Some(false) {
        let wrong = |why: &str| {
            let detail = format!("cannot set `allowPrivilegeEscalation` to false and {why}");
            context.invalid_struct("io.k8s.api.core.v1.SecurityContext", detail)
        };
        if context.at("privileged").bool() {
            errors.push(wrong("`privileged` to true"));
        }
        let added = context.at("capabilities");
        for _ in added.at("add").strings().filter(|capability| *capability == "CAP_SYS_ADMIN") {
            errors.push(wrong("`capabilities.Add` CAP_SYS_ADMIN"));
        }
    }
    validate_windows_options(&context.at("windowsOptions"), errors);
    validate_apparmor_profile(&context.at("appArmorProfile"), errors);
}

/// `validateSeccompProfileField`
fn validate_seccomp_profile(profile: &At, errors: &mut ErrorList) {
    if !profile.exists() {
        return;
    }
    let kind = profile.at("type");
    if kind.is_empty() {
        errors.push(kind.required("type is required when seccompProfile is set"));
    } else {
        kind.one_of(errors, &PROFILE_TYPES);
    }
    let local = profile.at("localhostProfile");
    if kind.str() == "Localhost" {
        if local.exists() {
            validate_local_descending_path(&local, errors);
        } else {
            errors.push(local.required("must be set when seccomp type is Localhost"));
        }
    } else if local.exists() {
        let printed = profile.go_text("io.k8s.api.core.v1.SeccompProfile");
        errors.push(local.invalid("can only be set when seccomp type is Localhost").printed_as(printed));
    }
}

/// `ValidateAppArmorProfileField`
fn validate_apparmor_profile(profile: &At, errors: &mut ErrorList) {
    if !profile.exists() {
        return;
    }
    let local = profile.at("localhostProfile");
    match profile.at("type").str() {
        "Localhost" => {
            let text = local.str();
            if local.exists() && text.trim() != text {
                errors.push(local.invalid("must not be padded with whitespace"));
            } else if text.is_empty() {
                errors.push(local.required("must be set when AppArmor type is Localhost"));
            }
            if text.len() > MAX_APPARMOR_PROFILE_BYTES {
                errors.push(local.too_long(MAX_APPARMOR_PROFILE_BYTES));
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if local.exists() {
                errors.push(local.invalid("can only be set when AppArmor type is Localhost"));
            }
        }
        "" => errors.push(profile.at("type").required("type is required when appArmorProfile is set")),
        _ => errors.push(profile.at("type").not_supported(&PROFILE_TYPES)),
    }
}
