//! Endpoint slices.

use super::endpoints::validate_non_special_ip;
use crate::labels::validate_labels;
use crate::names;
use crate::object::{children, default, validate_immutable};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;
const MAX_ENDPOINTS: usize = 1000;
const MAX_TOPOLOGY_LABELS: usize = 16;
/// Zones, and nodes, that a hint may name.
const MAX_HINTS: usize = 8;

/// The strategy of endpoint slices.
#[derive(Debug)]
pub(crate) struct EndpointSlice;

impl Strategy for EndpointSlice {
    fn default(&self, object: &mut Value) {
        let Value::Object(slice) = object else { return };
        for port in children(slice, "ports") {
            default(port, "name", "");
            default(port, "protocol", "TCP");
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        drop_topology(object, &BTreeSet::new());
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, _subresource: Option<Subresource>) {
        if new["endpoints"] != old["endpoints"] {
            let before = old["endpoints"].as_array().into_iter().flatten();
            let nodes = before.filter_map(|endpoint| endpoint["deprecatedTopology"][NODE_LABEL].as_str());
            drop_topology(new, &nodes.collect());
        }
    }

    /// Labels count too: they say whose slice it is.
    fn is_new_generation(&self, new: &Value, old: &Value) -> bool {
        let differs = |field: &str| new[field] != old[field];
        ["addressType", "endpoints", "ports"].into_iter().any(differs)
            || new["metadata"]["labels"] != old["metadata"]["labels"]
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let slice = At::root(object);
        let kind = slice.at("addressType");
        kind.require_one_of(&mut errors, &["FQDN", "IPv4", "IPv6"]);
        validate_ports(&slice.at("ports"), &mut errors);
        let endpoints = slice.at("endpoints");
        if endpoints.len() > MAX_ENDPOINTS {
            errors.push(api::field::Error::too_many(&endpoints.path(), endpoints.len(), MAX_ENDPOINTS));
            return errors;
        }
        endpoints.items().for_each(|endpoint| validate_endpoint(&endpoint, kind.str(), &mut errors));
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let (new, old) = (At::root(update.new), At::root(update.old));
        // What did not change is not looked at again: else an attempt to change the type would blame every address.
        let same = new.at("endpoints").value() == old.at("endpoints").value();
        let mut errors = if same { ErrorList::new() } else { self.validate(update.new) };
        if same {
            validate_ports(&new.at("ports"), &mut errors);
        }
        validate_immutable(&new.at("addressType"), &old.at("addressType"), &mut errors);
        errors
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let slice = At::root(new);
        if slice.at("addressType").str() == "FQDN" {
            return vec!["spec.addressType: FQDN endpoints are deprecated".to_owned()];
        }
        let mut warnings = Vec::new();
        for endpoint in slice.at("endpoints").items() {
            for address in endpoint.at("addresses").items() {
                warnings.extend(names::ip_warning(&address.path().to_string(), address.str()));
            }
        }
        warnings
    }
}

/// The label that named an endpoint's node before there was a field for it.
const NODE_LABEL: &str = "kubernetes.io/hostname";

/// `dropTopologyOnV1`: labels of old are not taken any more. Where such a label named a node before, the field names it
/// now.
fn drop_topology(slice: &mut Value, nodes_before: &BTreeSet<&str>) {
    let Value::Object(slice) = slice else { return };
    for endpoint in children(slice, "endpoints") {
        let Some(topology) = endpoint.remove("deprecatedTopology") else { continue };
        let node = topology[NODE_LABEL].as_str().filter(|node| nodes_before.contains(node));
        if let Some(node) = node.filter(|node| names::dns1123_subdomain(node).is_empty()) {
            endpoint.entry("nodeName").or_insert_with(|| node.into());
        }
    }
}

fn validate_hints(hints: &At, errors: &mut ErrorList) {
    for list in ["forZones", "forNodes"] {
        let named = hints.at(list);
        if named.is_too_many(errors, MAX_HINTS) {
            return;
        }
        let mut seen = BTreeSet::new();
        for hint in named.items() {
            let name = hint.at("name");
            if !seen.insert(name.str()) {
                errors.push(api::field::Error::duplicate(&name.path(), name.str()));
            }
            match list {
                "forZones" => name.check(errors, names::qualified_name),
                _ => name.check(errors, names::dns1123_subdomain),
            }
        }
    }
}

fn validate_ports(ports: &At, errors: &mut ErrorList) {
    if ports.len() > MAX_PORTS {
        errors.push(api::field::Error::too_many(&ports.path(), ports.len(), MAX_PORTS));
        return;
    }
    let mut seen = BTreeSet::new();
    for port in ports.items() {
        let name = port.at("name");
        if !name.is_empty() {
            name.check(errors, names::dns1123_label);
        }
        if !seen.insert(name.str()) {
            errors.push(name.duplicate());
        }
        port.at("protocol").require_one_of(errors, &["SCTP", "TCP", "UDP"]);
        if port.at("appProtocol").exists() {
            port.at("appProtocol").check(errors, names::qualified_name);
        }
    }
}

fn validate_endpoint(endpoint: &At, kind: &str, errors: &mut ErrorList) {
    let addresses = endpoint.at("addresses");
    if addresses.is_empty() {
        errors.push(addresses.required("must contain at least 1 address"));
    } else if addresses.len() > MAX_ADDRESSES {
        errors.push(api::field::Error::too_many(&addresses.path(), addresses.len(), MAX_ADDRESSES));
    }
    for address in addresses.items() {
        let wrong = if matches!(kind, "IPv4" | "IPv6") { names::ip(address.str()) } else { Vec::new() };
        if !wrong.is_empty() && names::parse_ip_sloppy(address.str()).is_some() {
            errors.extend(wrong.into_iter().map(|wrong| address.invalid(wrong)));
            continue;
        }
        let parsed = address.str().parse::<IpAddr>();
        let fits = match kind {
            "IPv4" => parsed.is_ok_and(|ip| ip.is_ipv4()),
            "IPv6" => parsed.is_ok_and(|ip| ip.is_ipv6()),
            _ => true,
        };
        if !fits {
            // Upstream blames the list.
            let article = format!("must be an {kind} address");
            errors.push(addresses.invalid_value(address.str(), article));
        }
        match kind {
            "IPv4" | "IPv6" => validate_non_special_ip(&address, errors),
            "FQDN" => errors.extend(wrong_domain(&address)),
            _ => {}
        }
    }
    if endpoint.at("nodeName").exists() {
        endpoint.at("nodeName").check(errors, names::dns1123_subdomain);
    }
    let topology = endpoint.at("deprecatedTopology");
    topology.is_too_many(errors, MAX_TOPOLOGY_LABELS);
    validate_labels(&topology, errors);
    if endpoint.at("hostname").exists() {
        endpoint.at("hostname").check(errors, names::dns1123_label);
    }
    validate_hints(&endpoint.at("hints"), errors);
}

/// `IsFullyQualifiedDomainName`: the first thing that is wrong. A trailing dot is left out of account.
fn wrong_domain(address: &At) -> Option<api::field::Error> {
    if address.is_empty() {
        return Some(address.required(""));
    }
    let name = address.str().strip_suffix('.').unwrap_or(address.str());
    let wrong = names::dns1123_subdomain(name);
    if !wrong.is_empty() {
        return Some(address.invalid_value(name, wrong.join(",")));
    }
    if !name.contains('.') {
        return Some(address.invalid_value(name, "should be a domain with at least two segments separated by dots"));
    }
    let labels = name.split('.').map(|label| (label, names::dns1123_label(label)));
    let mut long = labels.filter(|(_, wrong)| !wrong.is_empty());
    long.next().map(|(label, wrong)| address.invalid_value(label, wrong.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn refused(endpoint: Value, want: Expect) {
        let mut endpoint = endpoint;
        endpoint["addresses"] = json!(["10.0.0.1"]);
        let errors = EndpointSlice.validate(&json!({"addressType": "IPv4", "endpoints": [endpoint]}));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        want.assert_eq(&texts.join("\n"));
    }

    #[test]
    fn hints_name_each_zone_and_node_once() {
        refused(json!({"hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "n1"}]}}), expect![""]);
        refused(
            json!({"hints": {"forZones": [{"name": "a"}, {"name": "a"}], "forNodes": [{"name": "N1"}]}}),
            expect![[r#"
                endpoints[0].hints.forZones[1].name: Duplicate value: "a"
                endpoints[0].hints.forNodes[0].name: Invalid value: "N1": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#]],
        );
        let many: Vec<Value> = (0..9).map(|at| json!({"name": format!("z{at}")})).collect();
        refused(
            json!({"hints": {"forZones": many}}),
            expect!["endpoints[0].hints.forZones: Too many: 9: must have at most 8 items"],
        );
    }

    #[test]
    fn whatever_a_client_acts_upon_is_a_new_generation() {
        let slice = |port: u16, label: &str, note: &str| {
            json!({"ports": [{"port": port}],
            "metadata": {"labels": {"a": label}, "annotations": {"b": note}}})
        };
        let old = slice(1, "x", "y");
        assert!(EndpointSlice.is_new_generation(&slice(2, "x", "y"), &old));
        assert!(EndpointSlice.is_new_generation(&slice(1, "z", "y"), &old));
        assert!(!EndpointSlice.is_new_generation(&slice(1, "x", "z"), &old));
    }

    #[test]
    fn labels_of_old_go_and_leave_the_node_that_they_named() {
        let labelled = |node: &str| {
            json!({"endpoints": [{"addresses": ["10.0.0.1"],
            "deprecatedTopology": {"kubernetes.io/hostname": node}}]})
        };
        let mut made = labelled("n1");
        EndpointSlice.prepare_for_create(&mut made);
        assert_eq!(made, json!({"endpoints": [{"addresses": ["10.0.0.1"]}]}));
        // Stored by a server of before: as long as nothing changes it stays.
        let old = labelled("n1");
        let mut same = old.clone();
        EndpointSlice.prepare_for_update(&mut same, &old, None);
        assert_eq!(same, old);
        let mut changed = old.clone();
        changed["endpoints"][0]["addresses"] = json!(["10.0.0.2"]);
        EndpointSlice.prepare_for_update(&mut changed, &old, None);
        assert_eq!(changed, json!({"endpoints": [{"addresses": ["10.0.0.2"], "nodeName": "n1"}]}));
    }
}
