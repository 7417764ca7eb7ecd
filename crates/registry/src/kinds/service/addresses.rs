//! What a service says of its own addresses and their families (`ValidateServiceClusterIPsRelatedFields`).
//!
//! Asked twice: by the server before it allocates, so that allocation sees no nonsense, and as a part of validation.
//! Which families the cluster has is not known here.

use super::is_headless;
use crate::{At, names};
use api::field::ErrorList;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One address for each family.
const MAX_ADDRESSES: usize = 2;
const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

/// What is wrong with the addresses and families of a service, before any is allocated. Addresses that the service had
/// before may be of a form that is refused today.
pub fn service_address_errors(service: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_cluster_ips(&At::root(service).at("spec"), &mut errors);
    let before: Vec<&Value> = old.and_then(|old| old["spec"]["clusterIPs"].as_array()).into_iter().flatten().collect();
    errors.retain(|error| !error.is_ratcheting || !before.contains(&&error.bad_value));
    errors
}

pub(super) fn validate_cluster_ips(spec: &At, errors: &mut ErrorList) {
    if spec.at("type").str() == "ExternalName" {
        return;
    }
    let (one, list) = (spec.at("clusterIP"), spec.at("clusterIPs"));
    match (one.is_empty(), list.strings().next()) {
        (false, None) => errors.push(list.required("")),
        (false, Some(first)) if first != one.str() => errors.push(list.invalid("first value must match `clusterIP`")),
        (true, Some(_)) => errors.push(list.invalid("must be empty when `clusterIP` is not specified")),
        _ => {}
    }
    let families = spec.at("ipFamilies");
    let mut seen = BTreeSet::new();
    for family in families.items() {
        if !FAMILIES.contains(&family.str()) {
            errors.push(family.not_supported(&FAMILIES));
        }
        if !seen.insert(family.str()) {
            errors.push(family.duplicate());
        }
    }
    spec.at("ipFamilyPolicy").one_of(errors, &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    if validate_each(&list, errors) {
        validate_together(spec, &list, &families, errors);
    }
}

/// Whether each is an address, or the only one `None`.
fn validate_each(list: &At, errors: &mut ErrorList) -> bool {
    let mut sound = true;
    for (index, ip) in list.items().enumerate() {
        if index == 0 && ip.str() == "None" {
            if list.len() > 1 {
                sound = false;
                errors.push(list.invalid("'None' must be the first and only value"));
            }
            continue;
        }
        let wrong = names::ip(ip.str());
        sound &= wrong.is_empty();
        errors.extend(wrong.into_iter().map(|w| ip.invalid(w).ratcheting()));
    }
    if list.len() > MAX_ADDRESSES {
        errors.push(list.invalid("may only hold up to 2 values"));
    }
    sound
}

fn validate_together(spec: &At, list: &At, families: &At, errors: &mut ErrorList) {
    let parsed: Vec<IpAddr> = list.strings().filter_map(names::parse_ip_sloppy).collect();
    let both = parsed.iter().any(IpAddr::is_ipv4) && parsed.iter().any(IpAddr::is_ipv6);
    if list.len() > 1 && !both {
        errors.push(list.invalid("may specify no more than one IP for each IP family"));
    }
    if is_headless(spec) {
        return;
    }
    for (index, (ip, family)) in list.items().zip(families.strings()).enumerate() {
        let Some(address) = names::parse_ip_sloppy(ip.str()) else {
            continue;
        };
        let fits = match family {
            "IPv4" => address.is_ipv4(),
            "IPv6" => address.is_ipv6(),
            _ => true, // refused above
        };
        if !fits {
            errors.push(ip.invalid(format!("expected an {family} value as indicated by `ipFamilies[{index}]`")));
        }
    }
}
