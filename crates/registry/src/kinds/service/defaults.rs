//! Defaults of services (`SetDefaults_Service`).

use super::is_externally_accessible;
use crate::At;
use crate::object::{child, child_or_new, children, default, default_str, str_at};
use serde_json::{Map, Value, json};

/// How long a client stays with its endpoint: three hours.
const CLIENT_IP_TIMEOUT_SECONDS: i64 = 3 * 60 * 60;

pub(super) fn default_service(service: &mut Map<String, Value>) {
    let spec = child_or_new(service, "spec");
    default_str(spec, "sessionAffinity", "None");
    match str_at(spec, "sessionAffinity") {
        "None" => drop(spec.remove("sessionAffinityConfig")),
        "ClientIP" => {
            let client = child_or_new(child_or_new(spec, "sessionAffinityConfig"), "clientIP");
            default(client, "timeoutSeconds", CLIENT_IP_TIMEOUT_SECONDS);
        }
        _ => {}
    }
    default_str(spec, "type", "ClusterIP");
    for port in children(spec, "ports") {
        default_str(port, "protocol", "TCP");
        let unset = |target: &Value| target.is_null() || *target == json!(0) || *target == json!("");
        if port.get("targetPort").is_none_or(unset) {
            let number = port.get("port").cloned().unwrap_or(json!(0));
            port.insert("targetPort".to_owned(), number);
        }
    }
    let own = Value::Object(std::mem::take(spec));
    let accessible = is_externally_accessible(&At::root(&own));
    if let Value::Object(map) = own {
        *spec = map;
    }
    if accessible {
        default_str(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(str_at(spec, "type"), "NodePort" | "LoadBalancer" | "ClusterIP") {
        default(spec, "internalTrafficPolicy", "Cluster");
    }
    if str_at(spec, "type") == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", true);
        if let Some(balancer) = child(service, "status").and_then(|status| child(status, "loadBalancer")) {
            for ingress in children(balancer, "ingress") {
                if !str_at(ingress, "ip").is_empty() {
                    default(ingress, "ipMode", "VIP");
                }
            }
        }
    }
}

/// `NormalizeClusterIPs` on creation: the single address is the first of the list.
pub(super) fn normalize_cluster_ips(spec: &mut Map<String, Value>) {
    let one = str_at(spec, "clusterIP").to_owned();
    let empty = spec.get("clusterIPs").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if !one.is_empty() && empty {
        spec.insert("clusterIPs".to_owned(), json!([one]));
    }
}

/// What has no address of its own has no traffic to it. Upstream stores the field and leaves it out whenever it reads
/// (`defaultOnReadInternalTrafficPolicy`); a value that is none is left for validation to refuse.
pub(super) fn drop_internal_policy(spec: &mut Map<String, Value>) {
    if str_at(spec, "type") == "ExternalName" && matches!(str_at(spec, "internalTrafficPolicy"), "Cluster" | "Local") {
        spec.remove("internalTrafficPolicy");
    }
}
