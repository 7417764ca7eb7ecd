//! Where a proxied request goes: a node's kubelet, a pod, or one of a service's endpoints. Pure.

use super::options;
use super::plan::{Answer, Plan, Scheme, get_pod, join, node_address, with_query};
use crate::SharedReader;
use crate::request::RequestInfo;
use api::status::{Status, Subject};
use serde_json::Value;
use std::net::IpAddr;

/// What stands behind `/proxy` in the path, as the client wrote it, with the query.
fn proxied_target(info: &RequestInfo) -> String {
    let mut rest = "";
    let mut path = info.path.as_str();
    // The first element `proxy` after the object's name.
    while let Some(at) = path.find("/proxy") {
        let after = &path[at + "/proxy".len()..];
        if after.is_empty() || after.starts_with('/') {
            rest = after;
            break;
        }
        path = after;
    }
    let path = if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
    let pairs: Vec<String> = info
        .query
        .pairs()
        .iter()
        .map(|(key, value)| format!("{}={}", options::encode(key), options::encode(value)))
        .collect();
    with_query(path, &pairs.join("&"))
}

/// `[scheme:]name[:port]` (`SplitSchemeNamePort`); `None`: anything else.
fn split_name(text: &str) -> Option<(Scheme, &str, &str)> {
    let parts = match text.split(':').collect::<Vec<_>>().as_slice() {
        [name] => (Scheme::Http, *name, ""),
        [name, port] => (Scheme::Http, *name, *port),
        ["" | "http", name, port] => (Scheme::Http, *name, *port),
        ["https", name, port] => (Scheme::Https, *name, *port),
        _ => return None,
    };
    (!parts.1.is_empty()).then_some(parts)
}

pub(super) fn node(reader: &SharedReader, info: &RequestInfo) -> Result<Plan, Status> {
    let invalid = || Status::bad_request(format!("invalid node request {:?}", info.name));
    let (_, name, port) = split_name(&info.name).ok_or_else(invalid)?;
    let address = node_address(reader, name)?;
    let own_port = address.rsplit_once(':').map_or("", |(_, port)| port);
    if !port.is_empty() && port != own_port {
        // Another port of the node would meet the API server's credentials for kubelets.
        return Err(Status::bad_request(format!("port {port} of node {name} is not its kubelet's")));
    }
    Ok(Plan::Kubelet { address, target: proxied_target(info), answer: Answer::Proxied })
}

pub(super) fn pod(reader: &SharedReader, info: &RequestInfo) -> Result<Plan, Status> {
    let invalid = || Status::bad_request(format!("invalid pod request {:?}", info.name));
    let (scheme, name, port) = split_name(&info.name).ok_or_else(invalid)?;
    let pod = get_pod(reader, info, name)?;
    let address = pod["status"]["podIP"].as_str().unwrap_or_default();
    if !address.parse::<IpAddr>().is_ok_and(proxyable) {
        return Err(Status::bad_request("address not allowed"));
    }
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    let port = if port.is_empty() {
        ports.next().and_then(|port| port["containerPort"].as_u64()).unwrap_or(80)
    } else {
        let named = ports.find(|one| one["name"] == port).and_then(|one| one["containerPort"].as_u64());
        let number = port.parse::<u16>().ok().map(u64::from);
        named.or(number).ok_or_else(invalid)?
    };
    Ok(Plan::Pod { scheme, address: join(address, port), target: proxied_target(info) })
}

/// One of a service's endpoints (`ResourceLocation` of services): those of its EndpointSlices, or of its Endpoints where it
/// has no slice.
pub(super) fn service(reader: &SharedReader, info: &RequestInfo, random: usize) -> Result<Plan, Status> {
    let invalid = || Status::bad_request(format!("invalid service request {:?}", info.name));
    let (scheme, name, port) = split_name(&info.name).ok_or_else(invalid)?;
    let missing = || Status::not_found(&Subject { group: "", resource: "services", name });
    let service = reader.get("", "services", &info.namespace, name).ok_or_else(missing)?;
    // A number is that of the service's port; endpoints know its name only.
    let port_name = match port.parse::<u64>() {
        Err(_) => port,
        Ok(number) => {
            let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
            let found = ports.find(|one| one["port"] == number);
            let none = || Status::service_unavailable(format!("no service port {number} found for service {name:?}"));
            found.ok_or_else(none)?["name"].as_str().unwrap_or_default()
        }
    };
    let endpoints = endpoints(reader, &info.namespace, name, port_name);
    let unavailable = || Status::service_unavailable(format!("no endpoints available for service {:?}", info.name));
    let chosen = endpoints.get(random.checked_rem(endpoints.len()).unwrap_or_default()).ok_or_else(unavailable)?;
    Ok(Plan::Pod { scheme, address: chosen.clone(), target: proxied_target(info) })
}

/// `address:port` of all endpoints that are ready and may be reached, for the port of this name.
fn endpoints(reader: &SharedReader, namespace: &str, service: &str, port_name: &str) -> Vec<String> {
    let of_service = |slice: &Value| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service;
    let slices = reader.list("discovery.k8s.io", "endpointslices", Some(namespace));
    let slices: Vec<_> = slices.iter().filter(|slice| of_service(slice)).collect();
    let mut found = Vec::new();
    for slice in &slices {
        let ready = |one: &&Value| one["conditions"]["ready"] != false;
        let ready = slice["endpoints"].as_array().into_iter().flatten().filter(ready);
        let addresses = ready.filter_map(|one| one["addresses"][0].as_str().map(|ip| (ip, &one["targetRef"])));
        collect(reader, namespace, addresses, &slice["ports"], port_name, &mut found);
    }
    if slices.is_empty()
        && let Some(object) = reader.get("", "endpoints", namespace, service)
    {
        for subset in object["subsets"].as_array().into_iter().flatten() {
            let ready = subset["addresses"].as_array().into_iter().flatten();
            let addresses = ready.filter_map(|one| one["ip"].as_str().map(|ip| (ip, &one["targetRef"])));
            collect(reader, namespace, addresses, &subset["ports"], port_name, &mut found);
        }
    }
    found
}

fn collect<'a>(
    reader: &SharedReader,
    namespace: &str,
    addresses: impl Iterator<Item = (&'a str, &'a Value)>,
    ports: &Value,
    port_name: &str,
    found: &mut Vec<String>,
) {
    let mut ports = ports.as_array().into_iter().flatten();
    let named = |one: &&Value| one["name"].as_str().unwrap_or_default() == port_name;
    let Some(port) = ports.find(named).and_then(|one| one["port"].as_u64()) else { return };
    let valid = addresses.filter(|(ip, target)| belongs(reader, namespace, ip, target));
    found.extend(valid.map(|(ip, _)| join(ip, port)));
}

/// `isValidAddress`: whoever may write endpoints must not reach what a pod could not. An address without a pod must be
/// one that may be reached; one with a pod must be that pod's.
fn belongs(reader: &SharedReader, namespace: &str, ip: &str, target: &Value) -> bool {
    let parsed = ip.parse::<IpAddr>();
    if target["kind"] != "Pod" {
        return parsed.is_ok_and(proxyable);
    }
    let namespace = target["namespace"].as_str().filter(|own| !own.is_empty()).unwrap_or(namespace);
    let Some(pod) = reader.get("", "pods", namespace, target["name"].as_str().unwrap_or_default()) else {
        return false;
    };
    let ips = pod["status"]["podIPs"].as_array().into_iter().flatten();
    parsed.is_ok_and(proxyable)
        && (pod["status"]["podIP"] == ip || ips.filter_map(|one| one["ip"].as_str()).any(|own| own == ip))
}

/// `proxyutil.IsProxyableIP`: addresses of this machine and its link stay out of reach.
fn proxyable(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || link_local)
}
