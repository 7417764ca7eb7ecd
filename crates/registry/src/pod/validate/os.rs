//! `spec.os`: what may not be asked of the named operating system.

use crate::At;
use crate::pod::defaults::CONTAINER_LISTS;
use api::field::ErrorList;

/// Linux's fields of the pod's security context, in upstream's order, and whether they stand in the
/// context; the others are beside it in the spec.
const POD_FIELDS: [(&str, bool); 15] = [
    ("appArmorProfile", true),
    ("seLinuxOptions", true),
    ("hostUsers", false),
    ("hostPID", false),
    ("hostIPC", false),
    ("seccompProfile", true),
    ("fsGroup", true),
    ("fsGroupChangePolicy", true),
    ("sysctls", true),
    ("shareProcessNamespace", false),
    ("runAsUser", true),
    ("runAsGroup", true),
    ("supplementalGroups", true),
    ("supplementalGroupsPolicy", true),
    ("seLinuxChangePolicy", true),
];

/// Linux's fields of a container's security context, in upstream's order.
const CONTAINER_FIELDS: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// `validateOS`, `validateLinux`, `validateWindows`
pub(super) fn validate_os(spec: &At, errors: &mut ErrorList) {
    let os = spec.at("os");
    if !os.exists() {
        return;
    }
    match os.at("name").str() {
        "" => errors.push(os.at("name").required("cannot be empty")),
        "linux" => validate_linux(spec, errors),
        "windows" => validate_windows(spec, errors),
        other => errors.push(os.not_supported_value(other, &["linux", "windows"])),
    }
}

fn validate_linux(spec: &At, errors: &mut ErrorList) {
    let mut check = |context: At| {
        if context.at("windowsOptions").exists() {
            let at = context.at("windowsOptions");
            errors.push(at.forbidden("windows options cannot be set for a linux pod"));
        }
    };
    check(spec.at("securityContext"));
    for list in CONTAINER_LISTS {
        spec.at(list).items().for_each(|container| check(container.at("securityContext")));
    }
}

fn validate_windows(spec: &At, errors: &mut ErrorList) {
    const DETAIL: &str = "cannot be set for a windows pod";
    let context = spec.at("securityContext");
    for (field, in_context) in POD_FIELDS {
        let at = if in_context { context.at(field) } else { spec.at(field) };
        // `hostPID` and `hostIPC` are plain booleans, for which false is unset.
        let set = if matches!(field, "hostPID" | "hostIPC") { at.bool() } else { at.exists() };
        if set {
            errors.push(at.forbidden(DETAIL));
        }
    }
    for list in CONTAINER_LISTS {
        for container in spec.at(list).items() {
            let context = container.at("securityContext");
            for field in CONTAINER_FIELDS.iter().filter(|field| context.at(field).exists()) {
                errors.push(context.at(field).forbidden(DETAIL));
            }
        }
    }
}
