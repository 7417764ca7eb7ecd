//! Ranges of service addresses and the addresses taken from them (KEP-1880).

use crate::object::{WRITABLE_METADATA, keep_metadata_of_status, reset_status, validate_immutable_struct};
use crate::{At, Strategy, Subresource, Update, names};
use api::field::ErrorList;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Families that a range can have.
const MAX_CIDRS: usize = 2;
const IMMUTABLE: &str = "field is immutable";

/// The strategy of service ranges.
#[derive(Debug)]
pub(crate) struct ServiceCidr;

impl Strategy for ServiceCidr {
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        keep_metadata_of_status(new, old, subresource, &WRITABLE_METADATA);
    }

    /// Unlike others, it may come with a status.
    fn prepare_for_create(&self, object: &mut Value) {
        if object["status"].is_null() {
            reset_status(object, json!({}));
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let spec = root.at("spec");
        let cidrs = spec.at("cidrs");
        if cidrs.is_empty() {
            errors.push(cidrs.required("at least one CIDR required"));
            return errors;
        }
        if cidrs.len() > MAX_CIDRS {
            // Upstream quotes the struct around the list.
            let quoted = spec.go_text("io.k8s.api.networking.v1.ServiceCIDRSpec");
            errors.push(cidrs.invalid("may only hold up to 2 values").printed_as(quoted));
            return errors;
        }
        for cidr in cidrs.items() {
            validate_cidr(&cidr, &mut errors);
        }
        let families: Vec<bool> =
            cidrs.strings().filter_map(names::parse_cidr).map(|(address, _)| address.is_ipv6()).collect();
        if families.len() == MAX_CIDRS && families[0] == families[1] {
            let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
            errors.push(cidrs.invalid(detail));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        if update.subresource != Some(Subresource::Status) {
            let (new, old) = (At::root(update.new), At::root(update.old));
            let (spec, old_spec) = (new.at("spec"), old.at("spec"));
            let (now, before) = (spec.at("cidrs"), old_spec.at("cidrs"));
            let grows = before.len() == 1 && now.len() == MAX_CIDRS;
            if !grows && now.len() != before.len() {
                errors.push(now.invalid(IMMUTABLE));
                return errors;
            }
            for (cidr, was) in now.items().zip(before.items()) {
                if cidr.str() != was.str() {
                    errors.push(cidr.invalid(IMMUTABLE));
                }
            }
            // A second family may come, if it is one.
            if grows {
                errors.extend(self.validate(update.new));
            }
        }
        errors
    }
}

/// `IsValidCIDR`, strictly: the network's own address, in its canonical form.
fn validate_cidr(cidr: &At, errors: &mut ErrorList) {
    let Some((address, bits)) = names::parse_cidr(cidr.str()) else {
        cidr.check(errors, names::cidr);
        return;
    };
    if has_host_bits(address, bits) {
        errors.push(cidr.invalid("must not have bits set beyond the prefix length"));
        return;
    }
    let canonical = format!("{address}/{bits}");
    if canonical != cidr.str() {
        errors.push(cidr.invalid(format!("must be in canonical form (\"{canonical}\")")));
    }
}

fn has_host_bits(address: IpAddr, bits: u8) -> bool {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_shl(u32::from(bits)).unwrap_or(0) != 0,
        IpAddr::V6(v6) => u128::from(v6).checked_shl(u32::from(bits)).unwrap_or(0) != 0,
    }
}

/// The strategy of addresses.
#[derive(Debug)]
pub(crate) struct IpAddress;

impl Strategy for IpAddress {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let spec = root.at("spec");
        let parent = spec.at("parentRef");
        if !parent.exists() {
            errors.push(parent.required(""));
            return errors;
        }
        let (group, resource, name) = (parent.at("group"), parent.at("resource"), parent.at("name"));
        if !group.is_empty() {
            group.check(&mut errors, names::dns1123_subdomain);
        }
        resource.require_and_check(&mut errors, names::path_segment);
        name.require_and_check(&mut errors, names::path_segment);
        if !parent.at("namespace").is_empty() {
            parent.at("namespace").check(&mut errors, names::path_segment);
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        let definition = "io.k8s.api.networking.v1.ParentReference";
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        validate_immutable_struct(&spec.at("parentRef"), &old_spec.at("parentRef"), definition, &mut errors);
        errors
    }

    /// The name is the address, in its canonical form.
    fn validate_name(&self, name: &str) -> Vec<String> {
        let wrong = names::ip(name);
        match name.parse::<IpAddr>() {
            _ if !wrong.is_empty() => wrong,
            Ok(address) if address.to_string() != name => vec![format!("must be in canonical form (\"{address}\")")],
            _ => Vec::new(),
        }
    }
}
