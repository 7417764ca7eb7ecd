//! Variables of services (`pkg/kubelet/envvars`): those of the pod's namespace where `enableServiceLinks` is on, and the
//! API server's always. Pure.

use crate::pod;
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The namespace of the API server's own service.
const MASTER_NAMESPACE: &str = "default";
/// The API server's own service.
const MASTER_SERVICE: &str = "kubernetes";

/// All variables of services for a pod.
pub fn service_environment(pod: &Pod, services: &[Arc<Service>]) -> BTreeMap<String, String> {
    let linked = pod::spec(pod).enable_service_links != Some(false);
    let of = |service: &&Arc<Service>| {
        let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let master = namespace == MASTER_NAMESPACE && name == MASTER_SERVICE;
        // a service of the pod's namespace called kubernetes does not hide the API server's
        master || (linked && namespace == pod::namespace(pod) && name != MASTER_SERVICE)
    };
    let mut result = BTreeMap::new();
    for service in services.iter().filter(of) {
        variables(service, &mut result);
    }
    result
}

fn variables(service: &Service, result: &mut BTreeMap<String, String>) {
    let Some(spec) = &service.spec else { return };
    let address = spec.cluster_ip.as_deref().unwrap_or_default();
    if address.is_empty() || address == "None" {
        return;
    }
    let name = variable_name(service.metadata.name.as_deref().unwrap_or_default());
    let ports: &[ServicePort] = spec.ports.as_deref().unwrap_or_default();
    let Some(first) = ports.first() else { return };
    result.insert(format!("{name}_SERVICE_HOST"), address.to_owned());
    result.insert(format!("{name}_SERVICE_PORT"), first.port.to_string());
    for port in ports {
        if let Some(port_name) = port.name.as_deref().filter(|n| !n.is_empty()) {
            result.insert(format!("{name}_SERVICE_PORT_{}", variable_name(port_name)), port.port.to_string());
        }
    }
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    for (index, port) in ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let url = format!("{}://{host}:{}", protocol.to_lowercase(), port.port);
        if index == 0 {
            result.insert(format!("{name}_PORT"), url.clone());
        }
        let prefix = format!("{name}_PORT_{}_{}", port.port, protocol.to_uppercase());
        result.insert(format!("{prefix}_PROTO"), protocol.to_lowercase());
        result.insert(format!("{prefix}_PORT"), port.port.to_string());
        result.insert(format!("{prefix}_ADDR"), address.to_owned());
        result.insert(prefix, url);
    }
}

fn variable_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
