//! What the node itself checks before it takes a pod (upstream's predicate admit handler). Pure.

use crate::pod;
use crate::resources::{self, Amounts};
use crate::status::Failure;
use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, Pod};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionInput<'a> {
    /// Who wants in.
    pub pod: &'a Pod,
    /// Who is in.
    pub active: &'a [Arc<Pod>],
    /// What there is for all.
    pub allocatable: &'a Amounts,
    /// The node's labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The node's name.
    pub node_name: &'a str,
    /// `allowedUnsafeSysctls`
    pub allowed_unsafe_sysctls: &'a [String],
}

/// The reason of a refusal that depends on the node's labels.
pub const NODE_AFFINITY: &str = "NodeAffinity";

/// Whether the node takes the pod; else the reason and the words of its status.
pub fn admit(input: &AdmissionInput<'_>) -> Result<(), Failure> {
    check_sysctls(input)?;
    check_os(input.pod)?;
    check_node_affinity(input)?;
    check_ports(input)?;
    check_resources(input.pod, input.active, input.allocatable)
}

fn failure(reason: impl Into<String>, message: impl Into<String>) -> Failure {
    Failure { reason: reason.into(), message: message.into() }
}

/// The resources that do not suffice are named one at a time, in this order first.
pub(crate) fn check_resources(pod: &Pod, active: &[Arc<Pod>], allocatable: &Amounts) -> Result<(), Failure> {
    let short = |name: &str, requested: i64, used: i64, capacity: i64| {
        failure(
            format!("OutOf{name}"),
            format!(
                "Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
            ),
        )
    };
    if let Some(pods) = allocatable.get("pods") {
        let used = i64::try_from(active.len()).unwrap_or(i64::MAX);
        if used + 1 > pods.value() {
            return Err(short("pods", 1, used, pods.value()));
        }
    }
    let wanted = resources::effective_requests(pod);
    for (name, amount) in wanted.iter().filter(|(_, amount)| amount.0 > 0) {
        let used: i128 = active.iter().filter_map(|p| resources::effective_requests(p).get(name).map(|a| a.0)).sum();
        let capacity = allocatable.get(name).map_or(0, |a| a.0);
        if used + amount.0 > capacity {
            let unit = |thousandths: i128| {
                let number = if name == "cpu" { thousandths } else { thousandths / 1000 };
                i64::try_from(number).unwrap_or(i64::MAX)
            };
            return Err(short(name, unit(amount.0), unit(used), unit(capacity)));
        }
    }
    Ok(())
}

fn check_ports(input: &AdmissionInput<'_>) -> Result<(), Failure> {
    let wanted = crate::container_config::host_ports(input.pod);
    let clash = input.active.iter().flat_map(|p| crate::container_config::host_ports(p)).any(|taken| {
        wanted.iter().any(|w| {
            let same_address = w.host_ip.is_none() || taken.host_ip.is_none() || w.host_ip == taken.host_ip;
            w.host_port == taken.host_port && w.protocol == taken.protocol && same_address
        })
    });
    if clash { Err(failure("NodePorts", "Predicate NodePorts failed")) } else { Ok(()) }
}

/// The label, of pods too, that names an operating system.
const OS_LABEL: &str = "kubernetes.io/os";
/// The only one that pods run on here, in Go's name.
const OS: &str = "linux";

/// Upstream's `rejectPodAdmissionBasedOnOSSelector` and `rejectPodAdmissionBasedOnOSField`.
fn check_os(pod: &Pod) -> Result<(), Failure> {
    if pod.metadata.labels.as_ref().and_then(|labels| labels.get(OS_LABEL)).is_some_and(|os| os != OS) {
        let words = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
        return Err(failure("PodOSSelectorNodeLabelDoesNotMatch", words));
    }
    if pod::spec(pod).os.as_ref().is_some_and(|os| os.name != OS) {
        return Err(failure("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"));
    }
    Ok(())
}

fn check_node_affinity(input: &AdmissionInput<'_>) -> Result<(), Failure> {
    let spec = pod::spec(input.pod);
    let selected = spec.node_selector.iter().flatten().all(|(key, value)| input.labels.get(key) == Some(value));
    let required = spec
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref())
        .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    let matches = required.is_none_or(|r| r.node_selector_terms.iter().any(|term| term_matches(input, term)));
    if selected && matches { Ok(()) } else { Err(failure(NODE_AFFINITY, "Predicate NodeAffinity failed")) }
}

fn term_matches(input: &AdmissionInput<'_>, term: &NodeSelectorTerm) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    // an empty term selects nothing
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|r| requirement_matches(r, input.labels.get(&r.key).map(String::as_str)))
        && fields.iter().all(|r| requirement_matches(r, (r.key == "metadata.name").then_some(input.node_name)))
}

fn requirement_matches(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = value.is_some_and(|v| values.iter().any(|listed| listed == v));
    let numbers = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(have, than)| have > than),
        "Lt" => numbers().is_some_and(|(have, than)| have < than),
        _ => false,
    }
}

/// Namespaced parameters that harm nobody else (upstream's `SafeSysctlAllowlist`).
const SAFE_SYSCTLS: [&str; 11] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
];

fn check_sysctls(input: &AdmissionInput<'_>) -> Result<(), Failure> {
    let context = pod::spec(input.pod).security_context.as_ref();
    for sysctl in context.iter().flat_map(|s| s.sysctls.iter().flatten()) {
        let allowed = SAFE_SYSCTLS.contains(&sysctl.name.as_str())
            || sysctl.name == "net.ipv4.tcp_wmem"
            || input.allowed_unsafe_sysctls.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => sysctl.name.starts_with(prefix),
                None => *pattern == sysctl.name,
            });
        if !allowed {
            return Err(failure("SysctlForbidden", format!("forbidden sysctl: {:?} not allowlisted", sysctl.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
