//! What a simulated node says of itself: pure functions of its number and the settings.

use crate::Config;
use client::ObjectKey;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Where nodes renew their leases.
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// As a kubelet has it: twice without a word, and the node is unknown.
const LEASE_DURATION_SECONDS: u32 = 40;

/// The name of a node.
pub fn name(config: &Config, number: usize) -> String {
    format!("{}-{number}", config.prefix)
}

/// The number in a name of ours.
pub fn number(config: &Config, name: &str) -> Option<usize> {
    let digits = name.strip_prefix(&config.prefix)?.strip_prefix('-')?;
    digits.parse().ok().filter(|number: &usize| *number < config.nodes && *digits == number.to_string())
}

/// An address out of 172.16.0.0/12 (RFC 1918), which nothing answers.
pub fn address(number: usize) -> Ipv4Addr {
    let offset = u32::try_from(number + 1).unwrap_or(0) & 0x000f_ffff;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 16, 0, 0)) + offset)
}

/// The object as it is registered.
pub fn object(config: &Config, number: usize, now: Timestamp) -> Value {
    let name = name(config, number);
    let mut labels = json!({
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64", "type": "simulated",
    });
    if config.zones > 0 {
        labels["topology.kubernetes.io/zone"] = format!("zone-{}", number % config.zones).into();
    }
    let amounts = json!({"cpu": config.cpu_cores.to_string(), "memory": format!("{}Gi", config.memory_gib),
        "pods": config.pods.to_string(), "ephemeral-storage": "100Gi"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {
            "capacity": amounts, "allocatable": amounts,
            "addresses": [{"type": "InternalIP", "address": address(number).to_string()}, {"type": "Hostname", "address": name}],
            "conditions": conditions(now),
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": "v1.36.2",
                "containerRuntimeVersion": "pintle-simulated://1", "osImage": "simulated", "kernelVersion": "simulated",
                "machineID": "", "systemUUID": "", "bootID": "", "kubeProxyVersion": "",
            },
        },
    })
}

/// The patch of the status that a node sends now and then.
pub fn heartbeat(now: Timestamp) -> Value {
    let heartbeat =
        |condition: Value| json!({"type": condition["type"], "lastHeartbeatTime": condition["lastHeartbeatTime"]});
    json!({"status": {"conditions": conditions(now).into_iter().map(heartbeat).collect::<Vec<_>>()}})
}

fn conditions(now: Timestamp) -> Vec<Value> {
    let time = api::time::format_seconds(now);
    let own = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ];
    let condition = |(kind, status, reason, message): (&str, &str, &str, &str)| {
        json!({"type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": time,
            "lastTransitionTime": time})
    };
    own.into_iter().map(condition).collect()
}

/// The key of a node's lease.
pub fn lease_key(name: &str) -> ObjectKey {
    ObjectKey::namespaced(LEASE_NAMESPACE, name)
}

/// A node's lease, renewed at `now`; `version` is the one that is renewed. Without, a `PUT` of it makes the lease where
/// there is none, and is refused where there is one.
pub fn lease(name: &str, uid: &str, version: Option<&str>, now: Timestamp) -> Value {
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_DURATION_SECONDS,
            "renewTime": api::time::format_micros(now)},
    });
    if let Some(version) = version {
        lease["metadata"]["resourceVersion"] = version.into();
    }
    lease
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_numbers_of_ours_only() {
        let config = Config { nodes: 10, ..Config::default() };
        assert_eq!(number(&config, &name(&config, 7)), Some(7));
        for other in ["simulated-10", "simulated-07", "simulated-", "node-1", "simulated7"] {
            assert_eq!(number(&config, other), None, "{other}");
        }
    }

    #[test]
    fn every_node_has_an_address_of_its_own() {
        assert_eq!(address(0), Ipv4Addr::new(172, 16, 0, 1));
        assert_eq!(address(4999), Ipv4Addr::new(172, 16, 19, 136));
    }
}
