//! What is allowed in a service but hardly meant (`GetWarningsForService`), in upstream's order.

use super::is_headless;
use crate::At;
use crate::names;

/// What asked for hints before the annotation of today.
pub(super) const OLD_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
/// Which hints endpoints shall have.
pub(super) const HINTS: &str = "service.kubernetes.io/topology-mode";

pub(super) fn service_warnings(service: &At) -> Vec<String> {
    let mut warnings = Vec::new();
    let (spec, metadata) = (service.at("spec"), service.at("metadata"));
    let (kind, external) = (spec.at("type").str(), spec.at("externalIPs"));
    let is_headless = kind == "ClusterIP" && is_headless(&spec);
    if metadata.at("annotations").key(OLD_HINTS).exists() {
        warnings.push(format!("annotation {OLD_HINTS} is deprecated, please use {HINTS} instead"));
    }
    if !is_headless && kind != "ExternalName" {
        warn_of_addresses(&spec.at("clusterIPs"), &mut warnings);
    }
    if is_headless {
        let ignored = [
            ("loadBalancerIP", !spec.at("loadBalancerIP").is_empty()),
            ("externalIPs", !external.is_empty()),
            ("SessionAffinity", spec.at("sessionAffinity").str() != "None"),
        ];
        for (field, _) in ignored.iter().filter(|(_, is_set)| *is_set) {
            warnings.push(format!("spec.{field} is ignored for headless services"));
        }
    }
    warn_of_addresses(&external, &mut warnings);
    if !external.is_empty() && !is_headless && kind != "ExternalName" {
        let why = "deprecated and may no longer be implemented in some clusters";
        warnings.push(format!("spec.externalIPs is {why}"));
    }
    let balancer = spec.at("loadBalancerIP");
    warnings.extend(names::ip_warning(&balancer.path().to_string(), balancer.str()));
    for range in spec.at("loadBalancerSourceRanges").items() {
        warnings.extend(names::cidr_warnings(&range.path().to_string(), range.str()));
    }
    if kind == "ExternalName" && !external.is_empty() {
        warnings.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if kind != "ExternalName" && !spec.at("externalName").is_empty() {
        warnings.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec.at("trafficDistribution").str() == "PreferClose" {
        let why = "\"PreferClose\" is deprecated; use \"PreferSameZone\"";
        warnings.push(format!("spec.trafficDistribution: {why}"));
    }
    warnings
}

fn warn_of_addresses(addresses: &At, warnings: &mut Vec<String>) {
    for address in addresses.items() {
        warnings.extend(names::ip_warning(&address.path().to_string(), address.str()));
    }
}
