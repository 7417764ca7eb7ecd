//! What every cluster holds from the start, beside roles: namespaces and the system's priority classes.

use crate::kinds::SYSTEM_CLASSES;
use serde_json::{Value, json};

/// The namespaces that the API server makes and keeps.
pub const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// The system's namespaces, as they are created.
pub fn namespaces() -> Vec<Value> {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    SYSTEM_NAMESPACES.iter().map(|name| namespace(name)).collect()
}

/// `system-cluster-critical` and `system-node-critical`.
pub fn priority_classes() -> Vec<Value> {
    let description = |name: &str| match name {
        "system-cluster-critical" => {
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
        }
        _ => "Used for system critical pods that must not be moved from their current node.",
    };
    let class = |name: &str, value: i64| {
        json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
            "value": value, "description": description(name), "preemptionPolicy": "PreemptLowerPriority",
        })
    };
    SYSTEM_CLASSES.iter().map(|(name, value)| class(name, *value)).collect()
}

/// The priority levels and flow schemas of API priority and fairness.
pub fn flow_control() -> Vec<Value> {
    [crate::kinds::priority_levels(), crate::kinds::flow_schemas()].concat()
}

/// The APIServices of the group-versions that a server serves itself, `(group, version)`.
pub fn api_services(served: &[(&str, &str)]) -> Vec<Value> {
    crate::kinds::local_api_services(served)
}

/// The range of service addresses that the server was started with; `now` is RFC 3339 with whole seconds.
pub fn service_cidr(range: &str, now: &str) -> Value {
    let ready = json!({"type": "Ready", "status": "True", "reason": "", "lastTransitionTime": now,
        "message": "Kubernetes Service CIDR is ready"});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {
            "name": "kubernetes", "finalizers": ["networking.k8s.io/service-cidr-finalizer"],
        },
        "spec": {"cidrs": range.split(',').collect::<Vec<_>>()}, "status": {"conditions": [ready]},
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn system_classes_are_valid() {
        let row = crate::find_kind("scheduling.k8s.io", "v1", "PriorityClass").unwrap();
        for class in super::priority_classes() {
            assert!(row.strategy.validate(&class).is_empty(), "{class}");
        }
    }
}
