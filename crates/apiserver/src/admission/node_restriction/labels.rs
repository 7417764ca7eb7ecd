//! Which labels a kubelet may set on its own node (`k8s.io/kubelet/pkg/apis.IsKubeletLabel`, KEP-279).

use super::super::text;
use serde_json::Value;
use std::collections::BTreeSet;

const KUBELET_LABELS: [&str; 12] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "node.kubernetes.io/windows-build",
];
const KUBELET_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const RESTRICTED_PREFIX: &str = "node-restriction.kubernetes.io";

/// The labels that differ and that are not the kubelet's to change, sorted.
pub(super) fn refused(new: &Value, old: &Value) -> Vec<String> {
    let keys =
        |labels: &Value| labels.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let all: BTreeSet<String> = keys(new).into_iter().chain(keys(old)).collect();
    let changed = |key: &String| new.get(key).map(text) != old.get(key).map(text);
    all.into_iter().filter(changed).filter(|key| !allowed(key)).collect()
}

fn within(prefix: &str, domain: &str) -> bool {
    prefix == domain || prefix.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn allowed(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else {
        return true;
    };
    if within(prefix, RESTRICTED_PREFIX) {
        return false;
    }
    if !within(prefix, "kubernetes.io") && !within(prefix, "k8s.io") {
        return true;
    }
    KUBELET_LABELS.contains(&key) || KUBELET_PREFIXES.iter().any(|own| within(prefix, own))
}
