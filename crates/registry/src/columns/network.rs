//! Rows of services, endpoints and ingresses.

use super::Row;
use super::cells::{age, labels, limited, name, or_none, or_unset, selector};
use crate::At;
use jiff::Timestamp;
use serde_json::Value;

/// Entries that a list shows before it is cut off.
const SHOWN: usize = 3;

pub(super) fn service(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    let addresses = spec.at("clusterIPs");
    vec![
        name(object),
        spec.at("type").str().into(),
        or_none(addresses.strings().next().unwrap_or_default()),
        external_address(&root).into(),
        or_none(&service_ports(&spec)),
        age(object, now),
        labels(&spec.at("selector")).into(),
    ]
    .into()
}

fn external_address(service: &At) -> String {
    let (spec, status) = (service.at("spec"), service.at("status"));
    let own: Vec<&str> = spec.at("externalIPs").strings().collect();
    match spec.at("type").str() {
        "ClusterIP" | "NodePort" if own.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => own.join(","),
        "LoadBalancer" => {
            let balancer = load_balancer(&status.at("loadBalancer"));
            let mut all: Vec<&str> = balancer.iter().map(String::as_str).collect();
            all.extend(own);
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ExternalName" => spec.at("externalName").str().to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// Addresses and names of a load balancer.
fn load_balancer(status: &At) -> Vec<String> {
    let ingress = status.at("ingress");
    let entries = ingress.items().map(|entry| match entry.at("ip").str() {
        "" => entry.at("hostname").str().to_owned(),
        ip => ip.to_owned(),
    });
    entries.filter(|entry| !entry.is_empty()).collect()
}

/// `80:30080/TCP,53/UDP`
fn service_ports(spec: &At) -> String {
    let ports = spec.at("ports");
    let port = |port: At| {
        let number = port.at("port").int().unwrap_or(0);
        let protocol = port.at("protocol").str();
        match port.at("nodePort").int().unwrap_or(0) {
            0 => format!("{number}/{protocol}"),
            node => format!("{number}:{node}/{protocol}"),
        }
    };
    ports.items().map(port).collect::<Vec<_>>().join(",")
}

pub(super) fn endpoints(object: &Value, now: Timestamp) -> Row {
    let mut entries = Vec::new();
    for subset in At::root(object).at("subsets").items() {
        let (addresses, ports) = (subset.at("addresses"), subset.at("ports"));
        if ports.is_empty() {
            entries.extend(addresses.items().map(|a| a.at("ip").str().to_owned()));
        }
        for port in ports.items() {
            let number = port.at("port").int().unwrap_or(0);
            entries.extend(addresses.items().map(|a| join_host_port(a.at("ip").str(), number)));
        }
    }
    vec![name(object), or_none(&limited(&entries, SHOWN, ",")), age(object, now)].into()
}

fn join_host_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn endpoint_slice(object: &Value, now: Timestamp) -> Row {
    let slice = At::root(object);
    let port = |port: At| match port.at("port").int() {
        Some(number) => number.to_string(),
        None if port.at("name").is_empty() => "*".to_owned(),
        None => port.at("name").str().to_owned(),
    };
    let ports: Vec<String> = slice.at("ports").items().map(port).collect();
    let all = slice.at("endpoints");
    let addresses: Vec<String> =
        all.items().flat_map(|e| e.at("addresses").strings().map(str::to_owned).collect::<Vec<_>>()).collect();
    vec![
        name(object),
        slice.at("addressType").str().into(),
        or_unset(&limited(&ports, SHOWN, ",")),
        or_unset(&limited(&addresses, SHOWN, ",")),
        age(object, now),
    ]
    .into()
}

pub(super) fn ingress(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let rules = spec.at("rules");
    let hosts: Vec<String> =
        rules.items().map(|rule| rule.at("host").str().to_owned()).filter(|host| !host.is_empty()).collect();
    let hosts = if hosts.is_empty() { "*".to_owned() } else { limited(&hosts, SHOWN, ",") };
    let ports = if spec.at("tls").is_empty() { "80" } else { "80, 443" };
    vec![
        name(object),
        or_none(spec.at("ingressClassName").str()),
        hosts.into(),
        load_balancer(&status.at("loadBalancer")).join(",").into(),
        ports.into(),
        age(object, now),
    ]
    .into()
}

pub(super) fn ingress_class(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    let parameters = spec.at("parameters");
    let text = if parameters.exists() {
        let kind = parameters.at("kind").str();
        let group = parameters.at("apiGroup").str();
        let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        format!("{kind}/{}", parameters.at("name").str())
    } else {
        String::new()
    };
    vec![name(object), spec.at("controller").str().into(), or_none(&text), age(object, now)].into()
}

pub(super) fn network_policy(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    vec![name(object), selector(&spec.at("podSelector")).into(), age(object, now)].into()
}

pub(super) fn ip_address(object: &Value, _now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    let parent = spec.at("parentRef");
    let parts = ["group", "resource", "namespace", "name"].map(|field| parent.at(field).str().to_owned());
    let [group, resource, namespace, own] = parts;
    let qualified = if group.is_empty() { resource } else { format!("{resource}.{group}") };
    let path = if namespace.is_empty() { own } else { format!("{namespace}/{own}") };
    let text = if parent.exists() { format!("{qualified}/{path}") } else { String::new() };
    vec![name(object), or_none(&text)].into()
}

pub(super) fn service_cidr(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    let ranges: Vec<&str> = spec.at("cidrs").strings().collect();
    vec![name(object), ranges.join(",").into(), age(object, now)].into()
}
