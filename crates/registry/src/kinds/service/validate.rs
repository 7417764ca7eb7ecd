//! Validation of services (`ValidateService`).

use super::addresses::validate_cluster_ips;
use super::warnings::{HINTS, OLD_HINTS};
use super::{is_externally_accessible, is_headless, needs_health_check};
use crate::At;
use crate::go_text::go_text;
use crate::kinds::endpoints::validate_non_special_ip;
use crate::labels::validate_labels;
use crate::names;
use crate::pod::validate_port as validate_port_or_name;
use api::field::{Error, ErrorList};
use serde_json::json;
use std::collections::BTreeSet;

/// A client stays with its endpoint for a day at most.
const MAX_CLIENT_IP_TIMEOUT_SECONDS: i64 = 24 * 60 * 60;
const ONLY_BALANCED: &str = "may only be used when `type` is 'LoadBalancer'";
/// What the field `loadBalancerSourceRanges` was before it was one: ranges with commas between.
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub(super) fn validate_service(service: &At, errors: &mut ErrorList) {
    let spec = service.at("spec");
    let (ports, kind) = (spec.at("ports"), spec.at("type"));
    validate_hints(service, errors);
    if ports.is_empty() && !is_headless(&spec) && kind.str() != "ExternalName" {
        errors.push(ports.required(""));
    }
    validate_kind(&spec, errors);
    let mut port_names = BTreeSet::new();
    for port in ports.items() {
        validate_port(&port, ports.len() > 1, &mut port_names, errors);
    }
    validate_labels(&spec.at("selector"), errors);
    validate_affinity(&spec, errors);
    validate_cluster_ips(&spec, errors);
    for ip in spec.at("externalIPs").items() {
        let wrong = names::ip(ip.str());
        if wrong.is_empty() {
            validate_non_special_ip(&ip, errors);
        }
        errors.extend(wrong.into_iter().map(|w| ip.invalid(w).ratcheting()));
    }
    kind.require_one_of(errors, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    validate_port_numbers(&spec, errors);
    validate_source_ranges(service, errors);
    validate_balancing(&spec, errors);
    validate_traffic(&spec, errors);
}

/// The older annotation of hints may stand beside the newer one only if it says the same.
fn validate_hints(service: &At, errors: &mut ErrorList) {
    let metadata = service.at("metadata");
    let annotations = metadata.at("annotations");
    let (older, newer) = (annotations.key(OLD_HINTS), annotations.key(HINTS));
    if older.exists() && newer.exists() && older.str() != newer.str() {
        errors.push(newer.invalid(format!("must match annotations[{OLD_HINTS}] when both are specified")));
    }
}

fn validate_kind(spec: &At, errors: &mut ErrorList) {
    match spec.at("type").str() {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            let addresses = spec.at("clusterIPs");
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.push(Error::invalid(&addresses.path().index(0), "None", detail));
        }
        "ExternalName" => {
            for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if !spec.at(field).is_empty() {
                    errors.push(spec.at(field).forbidden("may not be set for ExternalName services"));
                }
            }
            let name = spec.at("externalName");
            let text = name.str().strip_suffix('.').unwrap_or(name.str());
            if text.is_empty() {
                errors.push(name.required(""));
            } else {
                errors.extend(names::dns1123_subdomain(text).into_iter().map(|w| name.invalid_value(text, w)));
            }
        }
        _ => {}
    }
}

fn validate_port<'v>(port: &At<'_, 'v>, named: bool, seen: &mut BTreeSet<&'v str>, errors: &mut ErrorList) {
    let name = port.at("name");
    if named && name.is_empty() {
        errors.push(name.required(""));
    } else if !name.is_empty() {
        name.check(errors, names::dns1123_label);
        if !seen.insert(name.str()) {
            errors.push(name.duplicate());
        }
    }
    let number = port.at("port").int().unwrap_or(0);
    errors.extend(names::port_number(number).into_iter().map(|w| port.at("port").invalid_value(number, w)));
    port.at("protocol").require_one_of(errors, &PROTOCOLS);
    validate_port_or_name(&port.at("targetPort"), errors);
    if port.at("appProtocol").exists() {
        port.at("appProtocol").check(errors, names::qualified_name);
    }
}

fn validate_affinity(spec: &At, errors: &mut ErrorList) {
    let affinity = spec.at("sessionAffinity");
    affinity.require_one_of(errors, &["ClientIP", "None"]);
    let config = spec.at("sessionAffinityConfig");
    if affinity.str() == "ClientIP" {
        let client = config.at("clientIP");
        let timeout = client.at("timeoutSeconds");
        for at in [&config, &client, &timeout] {
            if !at.exists() {
                errors.push(at.required("when session affinity type is ClientIP"));
                return;
            }
        }
        if timeout.int().is_some_and(|n| n <= 0 || n > MAX_CLIENT_IP_TIMEOUT_SECONDS) {
            let detail = format!("must be greater than 0 and less than {MAX_CLIENT_IP_TIMEOUT_SECONDS}");
            errors.push(timeout.invalid(detail));
        }
    } else if affinity.str() == "None" && config.exists() {
        errors.push(config.forbidden("must not be set when session affinity is None"));
    }
}

/// Node ports where there may be none, and numbers used twice.
fn validate_port_numbers(spec: &At, errors: &mut ErrorList) {
    let ports = spec.at("ports");
    let number = |port: &At, field: &str| port.at(field).int().unwrap_or(0);
    if spec.at("type").str() == "ClusterIP" {
        for port in ports.items().filter(|port| number(port, "nodePort") != 0) {
            errors.push(port.at("nodePort").forbidden("may not be used when `type` is 'ClusterIP'"));
        }
    }
    let mut seen = BTreeSet::new();
    for port in ports.items().filter(|port| number(port, "nodePort") != 0) {
        if !seen.insert((port.at("protocol").str(), number(&port, "nodePort"))) {
            errors.push(port.at("nodePort").duplicate());
        }
    }
    let mut seen = BTreeSet::new();
    for port in ports.items() {
        let (protocol, own) = (port.at("protocol").str(), number(&port, "port"));
        if !seen.insert((protocol, own)) {
            // Upstream compares ports by a struct of these two alone, and prints that.
            let key = json!({"protocol": protocol, "port": own});
            errors.push(port.duplicate().printed_as(go_text("io.k8s.api.core.v1.ServicePort", Some(&key))));
        }
    }
}

/// `validateLoadBalancerSourceRangesField`, or the annotation where the field is empty.
fn validate_source_ranges(service: &At, errors: &mut ErrorList) {
    let (spec, metadata) = (service.at("spec"), service.at("metadata"));
    let balanced = spec.at("type").str() == "LoadBalancer";
    let check = |range: &At, text: &str, errors: &mut ErrorList| {
        let wrong = names::cidr(text.trim()).into_iter();
        errors.extend(wrong.map(|wrong| range.invalid_value(text.trim(), wrong).ratcheting()));
    };
    let ranges = spec.at_as("loadBalancerSourceRanges", "LoadBalancerSourceRanges");
    let annotations = metadata.at("annotations");
    let annotation = annotations.key(SOURCE_RANGES);
    let set = if ranges.is_empty() { annotation } else { ranges };
    if set.exists() && !balanced {
        errors.push(set.forbidden(ONLY_BALANCED));
    }
    if !ranges.is_empty() {
        ranges.items().for_each(|range| check(&range, range.str(), errors));
    } else if !annotation.str().trim().is_empty() {
        annotation.str().split(',').for_each(|range| check(&annotation, range, errors));
    }
}

/// What only a load balancer may have.
fn validate_balancing(spec: &At, errors: &mut ErrorList) {
    let balanced = spec.at("type").str() == "LoadBalancer";
    let allocate = spec.at("allocateLoadBalancerNodePorts");
    if allocate.exists() && !balanced {
        errors.push(allocate.forbidden(ONLY_BALANCED));
    }
    if balanced && !allocate.exists() {
        errors.push(At::named("allocateLoadBalancerNodePorts", None).required(""));
    }
    validate_class(spec, None, errors);
}

/// `validateLoadBalancerClassField`: fixed while the type stays. An update looks at it twice.
pub(super) fn validate_class(spec: &At, old: Option<&At>, errors: &mut ErrorList) {
    let balanced = |spec: &At| spec.at("type").str() == "LoadBalancer";
    let class = spec.at("loadBalancerClass");
    let changed = |old: &At| balanced(old) && class.value() != old.at("loadBalancerClass").value();
    if balanced(spec) && old.is_some_and(changed) {
        errors.push(class.invalid("may not change once set"));
    }
    match (class.exists(), balanced(spec)) {
        (true, true) => class.check(errors, names::qualified_name),
        (true, false) => errors.push(class.forbidden(ONLY_BALANCED)),
        (false, _) => {}
    }
}

fn validate_traffic(spec: &At, errors: &mut ErrorList) {
    let external = spec.at("externalTrafficPolicy");
    if is_externally_accessible(spec) {
        external.require_one_of(errors, &["Cluster", "Local"]);
    } else if !external.is_empty() {
        errors.push(external.invalid("may only be set for externally-accessible services"));
    }
    let check = spec.at("healthCheckNodePort");
    let number = check.int().unwrap_or(0);
    if !needs_health_check(spec) {
        if number != 0 {
            let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.push(check.invalid(detail));
        }
    } else if number != 0 {
        // A missing one is the allocator's to fill in.
        errors.extend(names::port_number(number).into_iter().map(|w| check.invalid(w)));
    }
    let internal = spec.at("internalTrafficPolicy");
    let needed = matches!(spec.at("type").str(), "NodePort" | "LoadBalancer" | "ClusterIP");
    if needed && !internal.exists() {
        errors.push(internal.required(""));
    }
    internal.one_of(errors, &["Cluster", "Local"]);
    spec.at("trafficDistribution").one_of(errors, &["PreferClose", "PreferSameNode", "PreferSameZone"]);
}

/// `ValidateLoadBalancerStatus`
pub(super) fn validate_load_balancer(service: &At, errors: &mut ErrorList) {
    let status = service.at("status");
    let balancer = status.at("loadBalancer");
    let list = balancer.at("ingress");
    if service.at("spec").at("type").str() != "LoadBalancer" && !list.is_empty() {
        errors.push(list.forbidden("may only be used when `spec.type` is 'LoadBalancer'"));
        return;
    }
    for ingress in list.items() {
        let (ip, mode, hostname) = (ingress.at("ip"), ingress.at("ipMode"), ingress.at("hostname"));
        if !ip.is_empty() {
            ip.check_unless_kept(errors, names::ip);
        }
        match (mode.exists(), ip.is_empty()) {
            (false, false) => errors.push(mode.required("must be specified when `ip` is set")),
            (true, true) => errors.push(mode.forbidden("may not be specified when `ip` is not set")),
            (true, false) => mode.one_of(errors, &["Proxy", "VIP"]),
            (false, true) => {}
        }
        if !hostname.is_empty() {
            hostname.check(errors, names::dns1123_subdomain);
            if names::parse_ip_sloppy(hostname.str()).is_some() {
                errors.push(hostname.invalid("must be a DNS name, not an IP address"));
            }
        }
    }
}
