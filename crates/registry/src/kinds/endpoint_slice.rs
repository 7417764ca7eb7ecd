//! Endpoint slices.

use super::endpoints::validate_non_special_ip;
use crate::names;
use crate::object::{children, default, validate_immutable};
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;
const MAX_ENDPOINTS: usize = 1000;

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
            "FQDN" => {
                let wrong = names::dns1123_subdomain(address.str());
                errors.extend(wrong.into_iter().map(|w| addresses.invalid_value(address.str(), w)));
            }
            _ => {}
        }
    }
    if endpoint.at("nodeName").exists() {
        endpoint.at("nodeName").check(errors, names::dns1123_subdomain);
    }
    if endpoint.at("hostname").exists() {
        endpoint.at("hostname").check(errors, names::dns1123_label);
    }
}
