//! The restricted level: what it asks beyond the baseline. Sorted by upstream's name of the check.

use super::baseline::{
    PROC_MOUNT_BY_USERS_SINCE, added_capabilities, bad_seccomp_types, is_bad_seccomp, unmasked_proc,
};
use super::containers::{distinct, name, names, plural, quoted, setters, these};
use super::{Check, Finding, Pod, Version};
use serde_json::Value;

pub(super) static CHECKS: [Check; 7] =
    [allow_privilege_escalation, capabilities, proc_mount, volumes, run_as_non_root, run_as_user, seccomp];

/// Volumes that are no way out of the pod.
const VOLUME_TYPES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// From here on, what only Linux knows is not asked of pods for Windows.
const WINDOWS_SINCE: u32 = 25;

/// Baseline checks that a stricter one here takes the place of.
pub(super) fn overrides(baseline: &str, version: Version) -> bool {
    match baseline {
        "hostPathVolumes" => true,
        "capabilities_baseline" => version.has(22),
        "procMount" => version.has(PROC_MOUNT_BY_USERS_SINCE),
        "seccompProfile_baseline" => version.has(19),
        _ => false,
    }
}

fn is_exempt(pod: Pod<'_>, version: Version) -> bool {
    version.has(WINDOWS_SINCE) && pod.is_windows()
}

fn allow_privilege_escalation(pod: Pod<'_>, version: Version) -> Option<Finding> {
    if !version.has(8) || is_exempt(pod, version) {
        return None;
    }
    let bad = names(pod, |container| container["securityContext"]["allowPrivilegeEscalation"] != false);
    if bad.is_empty() {
        return None;
    }
    Finding::new(
        "allowPrivilegeEscalation != false",
        format!("{} must set securityContext.allowPrivilegeEscalation=false", these(&bad)),
    )
}

fn proc_mount(pod: Pod<'_>, version: Version) -> Option<Finding> {
    if version.has(PROC_MOUNT_BY_USERS_SINCE) { unmasked_proc(pod) } else { None }
}

fn capabilities(pod: Pod<'_>, version: Version) -> Option<Finding> {
    if !version.has(22) || is_exempt(pod, version) {
        return None;
    }
    let drops_all = |container: &Value| {
        let drop = container["securityContext"]["capabilities"]["drop"].as_array();
        drop.is_some_and(|drop| drop.iter().any(|capability| capability == "ALL"))
    };
    let keeps = names(pod, |container| !drops_all(container));
    let mut details = Vec::new();
    if !keeps.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", these(&keeps)));
    }
    details.extend(added_capabilities(pod, &["NET_BIND_SERVICE"]));
    if details.is_empty() { None } else { Finding::new("unrestricted capabilities", details.join("; ")) }
}

fn volumes(pod: Pod<'_>, _: Version) -> Option<Finding> {
    let source = |volume: &Value| -> String {
        let fields = volume.as_object().into_iter().flatten();
        fields.map(|(field, _)| field.clone()).find(|field| field != "name").unwrap_or_else(|| "unknown".to_owned())
    };
    let all = pod.spec["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let bad: Vec<&Value> = all.iter().filter(|volume| !VOLUME_TYPES.contains(&source(volume).as_str())).collect();
    if bad.is_empty() {
        return None;
    }
    let kinds: Vec<String> = bad.iter().map(|volume| source(volume)).collect();
    let kinds = distinct(kinds.iter().map(String::as_str));
    let bad: Vec<&str> = bad.into_iter().map(name).collect();
    Finding::new(
        "restricted volume types",
        format!(
            "{} {} {} restricted volume {} {}",
            plural("volume", "volumes", bad.len()),
            quoted(&bad),
            plural("uses", "use", bad.len()),
            plural("type", "types", kinds.len()),
            quoted(&kinds)
        ),
    )
}

fn run_as_non_root(pod: Pod<'_>, version: Version) -> Option<Finding> {
    // In a user namespace root is not the host's.
    if version.has(35) && pod.spec["hostUsers"] == false {
        return None;
    }
    let of = |holder: &Value| holder["securityContext"]["runAsNonRoot"].as_bool();
    let bad = names(pod, |container| of(container) == Some(false));
    let pod_sets = of(pod.spec);
    if let Some(who) = setters(pod_sets == Some(false), &bad) {
        // What is set against the rule is worse than what is not set.
        return Finding::new("runAsNonRoot != true", format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = names(pod, |container| of(container).is_none());
    if pod_sets == Some(true) || silent.is_empty() {
        return None;
    }
    Finding::new(
        "runAsNonRoot != true",
        format!("pod or {} must set securityContext.runAsNonRoot=true", these(&silent)),
    )
}

fn run_as_user(pod: Pod<'_>, version: Version) -> Option<Finding> {
    if !version.has(23) || (version.has(35) && pod.spec["hostUsers"] == false) {
        return None;
    }
    let root = |holder: &Value| holder["securityContext"]["runAsUser"] == 0;
    let who = setters(root(pod.spec), &names(pod, root))?;
    Finding::new("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

fn seccomp(pod: Pod<'_>, version: Version) -> Option<Finding> {
    if !version.has(19) || is_exempt(pod, version) {
        return None;
    }
    let kind = |holder: &Value| holder["securityContext"]["seccompProfile"]["type"].clone();
    let bad = |holder: &Value| is_bad_seccomp(&kind(holder));
    if let Some(who) = setters(bad(pod.spec), &names(pod, bad)) {
        let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", bad_seccomp_types(pod));
        return Finding::new("seccompProfile", detail);
    }
    let silent = names(pod, |container| kind(container).is_null());
    if !kind(pod.spec).is_null() || silent.is_empty() {
        return None;
    }
    let who = these(&silent);
    let detail =
        format!("pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"");
    Finding::new("seccompProfile", detail)
}
