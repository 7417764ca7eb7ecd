//! The baseline level. One function per check, sorted by upstream's name of the check, which is the order of messages.

use super::containers::{containers, distinct, name, names, plural, quoted, setters, these};
use super::{Check, Finding, Pod, Version};
use serde_json::Value;

pub(super) static CHECKS: &[(&str, Check)] = &[
    ("appArmorProfile", app_armor),
    ("capabilities_baseline", capabilities),
    ("hostNamespaces", host_namespaces),
    ("hostPathVolumes", host_path_volumes),
    ("hostPorts", host_ports),
    ("hostProbesAndHostLifecycle", host_probes),
    ("privileged", privileged),
    ("procMount", proc_mount),
    ("seLinuxOptions", se_linux),
    ("seccompProfile_baseline", seccomp),
    ("sysctls", sysctls),
    ("windowsHostProcess", windows_host_process),
];

const APP_ARMOR_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Each with the minor version in which it became safe.
const SAFE_SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.tcp_wmem", 32),
];
const SE_LINUX_TYPES: [&str; 4] = ["", "container_init_t", "container_kvm_t", "container_t"];
const SE_LINUX_ENGINE: (&str, u32) = ("container_engine_t", 31);

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn app_armor(pod: Pod<'_>, _: Version) -> Option<Finding> {
    let forbidden = |holder: &Value| {
        let kind = &holder["securityContext"]["appArmorProfile"]["type"];
        !kind.is_null() && !matches!(text(kind), "RuntimeDefault" | "Localhost")
    };
    let mut values: Vec<String> = Vec::new();
    let mut details = Vec::new();
    let bad = names(pod, forbidden);
    if let Some(who) = setters(forbidden(pod.spec), &bad) {
        let holders = std::iter::once(pod.spec).chain(containers(pod)).filter(|holder| forbidden(holder));
        let kinds = distinct(holders.map(|holder| text(&holder["securityContext"]["appArmorProfile"]["type"])));
        values.extend(kinds.iter().map(|kind| (*kind).to_owned()));
        details.push(format!("{who} must not set AppArmor profile type to {}", quoted(&kinds)));
    }
    let annotations = pod.metadata["annotations"].as_object().into_iter().flatten();
    let bad: Vec<String> = annotations
        .filter(|(key, value)| {
            let value = text(value);
            key.starts_with(APP_ARMOR_PREFIX)
                && !(value.is_empty() || value == "runtime/default" || value.starts_with("localhost/"))
        })
        .map(|(key, value)| format!("{key}={:?}", text(value)))
        .collect();
    if !bad.is_empty() {
        details.push(format!("{} {}", plural("annotation", "annotations", bad.len()), bad.join(", ")));
        values.extend(bad);
    }
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    if details.is_empty() { None } else { Finding::new(reason, details.join(", ")) }
}

/// Capabilities that are added and are not in a list, and who adds them.
pub(super) fn added_capabilities(pod: Pod<'_>, allowed: &[&str]) -> Option<String> {
    let added = |container: &Value| -> Vec<String> {
        let add = list(&container["securityContext"]["capabilities"]["add"]).map(text);
        add.filter(|capability| !allowed.contains(capability)).map(str::to_owned).collect()
    };
    let bad = names(pod, |container| !added(container).is_empty());
    if bad.is_empty() {
        return None;
    }
    let all: Vec<String> = containers(pod).flat_map(added).collect();
    let all = distinct(all.iter().map(String::as_str));
    Some(format!("{} must not include {} in securityContext.capabilities.add", these(&bad), quoted(&all)))
}

fn capabilities(pod: Pod<'_>, _: Version) -> Option<Finding> {
    Finding::new("non-default capabilities", added_capabilities(pod, &DEFAULT_CAPABILITIES)?)
}

fn host_namespaces(pod: Pod<'_>, _: Version) -> Option<Finding> {
    let fields = ["hostNetwork", "hostPID", "hostIPC"];
    let set: Vec<String> =
        fields.iter().filter(|field| pod.spec[**field] == true).map(|field| format!("{field}=true")).collect();
    if set.is_empty() { None } else { Finding::new("host namespaces", set.join(", ")) }
}

fn host_path_volumes(pod: Pod<'_>, _: Version) -> Option<Finding> {
    let bad: Vec<&str> = list(&pod.spec["volumes"]).filter(|v| !v["hostPath"].is_null()).map(name).collect();
    if bad.is_empty() {
        return None;
    }
    Finding::new("hostPath volumes", format!("{} {}", plural("volume", "volumes", bad.len()), quoted(&bad)))
}

fn host_ports(pod: Pod<'_>, _: Version) -> Option<Finding> {
    let ports = |container: &Value| -> Vec<i64> {
        list(&container["ports"]).filter_map(|port| port["hostPort"].as_i64()).filter(|port| *port != 0).collect()
    };
    let bad = names(pod, |container| !ports(container).is_empty());
    if bad.is_empty() {
        return None;
    }
    let all: Vec<String> = containers(pod).flat_map(ports).map(|port| port.to_string()).collect();
    let all = distinct(all.iter().map(String::as_str));
    let (uses, port) = (plural("uses", "use", bad.len()), plural("hostPort", "hostPorts", all.len()));
    Finding::new("hostPort", format!("{} {uses} {port} {}", these(&bad), all.join(", ")))
}

fn host_probes(pod: Pod<'_>, version: Version) -> Option<Finding> {
    if !version.has(34) {
        return None;
    }
    let handlers = |container: &Value| -> Vec<String> {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| container[probe].clone());
        let hooks = ["postStart", "preStop"].map(|hook| container["lifecycle"][hook].clone());
        let handlers = probes.into_iter().chain(hooks);
        let hosts = handlers.flat_map(|handler| {
            [text(&handler["httpGet"]["host"]).to_owned(), text(&handler["tcpSocket"]["host"]).to_owned()]
        });
        hosts.filter(|host| !host.is_empty()).collect()
    };
    let bad = names(pod, |container| !handlers(container).is_empty());
    if bad.is_empty() {
        return None;
    }
    let hosts: Vec<String> = containers(pod).flat_map(handlers).collect();
    let hosts = distinct(hosts.iter().map(String::as_str));
    let uses = plural("uses", "use", bad.len());
    let what = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
    Finding::new("probe or lifecycle host", format!("{} {uses} {what} {}", these(&bad), quoted(&hosts)))
}

fn privileged(pod: Pod<'_>, _: Version) -> Option<Finding> {
    let bad = names(pod, |container| container["securityContext"]["privileged"] == true);
    if bad.is_empty() {
        return None;
    }
    Finding::new("privileged", format!("{} must not set securityContext.privileged=true", these(&bad)))
}

/// From here on the baseline lets pods with users of their own see all of /proc, and restricted does not.
pub(super) const PROC_MOUNT_BY_USERS_SINCE: u32 = 35;

fn proc_mount(pod: Pod<'_>, version: Version) -> Option<Finding> {
    // Inside of a user namespace an unmasked /proc shows nothing of the host's.
    if version.has(PROC_MOUNT_BY_USERS_SINCE) && pod.spec["hostUsers"] == false { None } else { unmasked_proc(pod) }
}

/// Containers that see more of /proc than they need.
pub(super) fn unmasked_proc(pod: Pod<'_>) -> Option<Finding> {
    let odd = |container: &Value| {
        let mount = &container["securityContext"]["procMount"];
        !mount.is_null() && mount != "Default"
    };
    let bad = names(pod, odd);
    if bad.is_empty() {
        return None;
    }
    let mounts = distinct(containers(pod).filter(|c| odd(c)).map(|c| text(&c["securityContext"]["procMount"])));
    Finding::new("procMount", format!("{} must not set securityContext.procMount to {}", these(&bad), quoted(&mounts)))
}

fn se_linux(pod: Pod<'_>, version: Version) -> Option<Finding> {
    let bad_type = |holder: &Value| {
        let kind = text(&holder["securityContext"]["seLinuxOptions"]["type"]).to_owned();
        let known =
            SE_LINUX_TYPES.contains(&kind.as_str()) || (kind == SE_LINUX_ENGINE.0 && version.has(SE_LINUX_ENGINE.1));
        (!known).then_some(kind)
    };
    let sets = |holder: &Value, field: &str| !text(&holder["securityContext"]["seLinuxOptions"][field]).is_empty();
    let wrong = |holder: &Value| bad_type(holder).is_some() || sets(holder, "user") || sets(holder, "role");
    let who = setters(wrong(pod.spec), &names(pod, wrong))?;
    let holders: Vec<&Value> = std::iter::once(pod.spec).chain(containers(pod)).collect();
    let mut details = Vec::new();
    let kinds: Vec<String> = holders.iter().filter_map(|holder| bad_type(holder)).collect();
    if !kinds.is_empty() {
        let kinds = distinct(kinds.iter().map(String::as_str));
        details.push(format!("{} {}", plural("type", "types", kinds.len()), quoted(&kinds)));
    }
    for field in ["user", "role"] {
        if holders.iter().any(|holder| sets(holder, field)) {
            details.push(format!("{field} may not be set"));
        }
    }
    Finding::new(
        "seLinuxOptions",
        format!("{who} set forbidden securityContext.seLinuxOptions: {}", details.join("; ")),
    )
}

fn seccomp(pod: Pod<'_>, version: Version) -> Option<Finding> {
    if !version.has(19) {
        return None;
    }
    let unconfined = |holder: &Value| is_bad_seccomp(&holder["securityContext"]["seccompProfile"]["type"]);
    let who = setters(unconfined(pod.spec), &names(pod, unconfined))?;
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", bad_seccomp_types(pod));
    Finding::new("seccompProfile", detail)
}

/// A profile that is set, and is not one of the runtime's or the node's.
pub(super) fn is_bad_seccomp(kind: &Value) -> bool {
    !kind.is_null() && !matches!(text(kind), "RuntimeDefault" | "Localhost")
}

/// The forbidden profiles of a pod.
pub(super) fn bad_seccomp_types(pod: Pod<'_>) -> String {
    let holders = std::iter::once(pod.spec).chain(containers(pod));
    let kinds = holders.map(|holder| &holder["securityContext"]["seccompProfile"]["type"]);
    quoted(&distinct(kinds.filter(|kind| is_bad_seccomp(kind)).map(text)))
}

fn sysctls(pod: Pod<'_>, version: Version) -> Option<Finding> {
    let safe = |name: &str| SAFE_SYSCTLS.iter().any(|(known, since)| *known == name && version.has(*since));
    let set = list(&pod.spec["securityContext"]["sysctls"]).map(name);
    let bad: Vec<&str> = set.filter(|name| !safe(name)).collect();
    if bad.is_empty() { None } else { Finding::new("forbidden sysctls", bad.join(", ")) }
}

fn windows_host_process(pod: Pod<'_>, _: Version) -> Option<Finding> {
    let sets = |holder: &Value| holder["securityContext"]["windowsOptions"]["hostProcess"] == true;
    let who = setters(sets(pod.spec), &names(pod, sets))?;
    Finding::new("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}
