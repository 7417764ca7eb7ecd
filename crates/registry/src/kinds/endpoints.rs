//! Endpoints, which EndpointSlices have replaced.

use crate::names;
use crate::object::{children, default_str};
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;
use std::net::IpAddr;

/// The strategy of endpoints.
#[derive(Debug)]
pub(crate) struct Endpoints;

impl Strategy for Endpoints {
    fn default(&self, object: &mut Value) {
        let Value::Object(endpoints) = object else { return };
        for subset in children(endpoints, "subsets") {
            children(subset, "ports").for_each(|port| default_str(port, "protocol", "TCP"));
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for subset in At::root(object).at("subsets").items() {
            if subset.at("addresses").is_empty() && subset.at("notReadyAddresses").is_empty() {
                errors.push(subset.required("must specify `addresses` or `notReadyAddresses`"));
            }
            for list in ["addresses", "notReadyAddresses"] {
                subset.at(list).items().for_each(|address| validate_address(&address, &mut errors));
            }
            let ports = subset.at("ports");
            ports.items().for_each(|port| validate_port(&port, ports.len() > 1, &mut errors));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        // Addresses that were there may stay only where nothing changes (KEP-4858).
        if update.new.get("subsets") == update.old.get("subsets") {
            return ErrorList::new();
        }
        self.validate(update.new)
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let deprecated = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
        let mut warnings = vec![deprecated.to_owned()];
        for subset in At::root(new).at("subsets").items() {
            for list in ["addresses", "notReadyAddresses"] {
                for address in subset.at(list).items() {
                    let ip = address.at("ip");
                    warnings.extend(names::ip_warning(&ip.path().to_string(), ip.str()));
                }
            }
        }
        warnings
    }
}

fn validate_address(address: &At, errors: &mut ErrorList) {
    let ip = address.at("ip");
    errors.extend(names::ip(ip.str()).into_iter().map(|w| ip.invalid_value(ip.str(), w)));
    if !address.at("hostname").is_empty() {
        address.at("hostname").check(errors, names::dns1123_label);
    }
    if address.at("nodeName").exists() {
        address.at("nodeName").check(errors, names::dns1123_subdomain);
    }
    validate_non_special_ip(&ip, errors);
}

/// `ValidateNonSpecialIP`: addresses that mean something else on every host.
pub(super) fn validate_non_special_ip(ip: &At, errors: &mut ErrorList) {
    let Some(address) = names::parse_ip_sloppy(ip.str()) else {
        errors.push(ip.invalid_value(ip.str(), "must be a valid IP address"));
        return;
    };
    let (link_local, link_local_multicast) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] & 0xff0f == 0xff02),
    };
    if address.is_unspecified() {
        errors.push(ip.invalid(format!("may not be unspecified ({})", ip.str())));
    }
    if address.is_loopback() {
        errors.push(ip.invalid("may not be in the loopback range (127.0.0.0/8, ::1/128)"));
    }
    if link_local {
        errors.push(ip.invalid("may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
    }
    if link_local_multicast {
        errors.push(ip.invalid("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"));
    }
}

fn validate_port(port: &At, named: bool, errors: &mut ErrorList) {
    let name = port.at("name");
    if named && name.is_empty() {
        errors.push(name.required(""));
    } else if !name.is_empty() {
        name.check(errors, names::dns1123_label);
    }
    let number = port.at("port").int().unwrap_or(0);
    errors.extend(names::port_number(number).into_iter().map(|w| port.at("port").invalid_value(number, w)));
    port.at("protocol").require_one_of(errors, &["SCTP", "TCP", "UDP"]);
    if port.at("appProtocol").exists() {
        port.at("appProtocol").check(errors, names::qualified_name);
    }
}
