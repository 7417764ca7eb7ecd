//! Changes of services: what was allocated stays, and addresses do not change.

use super::validate::validate_class;
use super::{is_headless, needs_health_check};
use crate::At;
use crate::object::{child_or_new, children, put, str_at};
use api::field::ErrorList;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a client leaves out of an update is what the service had (`patchAllocatedValues`, `normalizeClusterIPs`), as long
/// as its type still needs it; what the new type cannot have is dropped where the client did not change it too
/// (`dropTypeDependentFields`).
pub(super) fn keep_allocated(new: &mut Value, old: &Value) {
    let Some(old) = old.get("spec").and_then(Value::as_object) else {
        return;
    };
    if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
        patch_allocated(spec, old);
        normalize_cluster_ips(spec, old);
        drop_by_type(spec, old);
    }
    if let Some(service) = new.as_object_mut().filter(|service| !is_balanced(service.get("spec"))) {
        child_or_new(service, "status").insert("loadBalancer".to_owned(), json!({}));
    }
}

fn is_balanced(spec: Option<&Value>) -> bool {
    spec.and_then(Value::as_object).is_some_and(|spec| str_at(spec, "type") == "LoadBalancer")
}

fn has_address(spec: &Map<String, Value>) -> bool {
    str_at(spec, "type") != "ExternalName"
}

fn has_node_ports(spec: &Map<String, Value>) -> bool {
    matches!(str_at(spec, "type"), "NodePort" | "LoadBalancer")
}

fn is_checked(spec: &Map<String, Value>) -> bool {
    str_at(spec, "type") == "LoadBalancer" && str_at(spec, "externalTrafficPolicy") == "Local"
}

fn is_listed(spec: &Map<String, Value>) -> bool {
    spec.get("clusterIPs").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

fn patch_allocated(spec: &mut Map<String, Value>, old: &Map<String, Value>) {
    if has_address(old) && has_address(spec) {
        if str_at(spec, "clusterIP").is_empty() {
            put(spec, "clusterIP", old.get("clusterIP").cloned());
        }
        if !is_listed(spec) && is_listed(old) {
            put(spec, "clusterIPs", old.get("clusterIPs").cloned());
        }
    }
    if has_node_ports(old) && has_node_ports(spec) {
        keep_node_ports(spec, old);
    }
    let no_check = spec.get("healthCheckNodePort").and_then(Value::as_i64).unwrap_or(0) == 0;
    if is_checked(old) && is_checked(spec) && no_check {
        put(spec, "healthCheckNodePort", old.get("healthCheckNodePort").cloned());
    }
}

/// A client that knows the single address only has changed the list too.
fn normalize_cluster_ips(spec: &mut Map<String, Value>, old: &Map<String, Value>) {
    let same = str_at(spec, "clusterIP") == str_at(old, "clusterIP");
    if same && !is_listed(spec) && is_listed(old) {
        put(spec, "clusterIPs", old.get("clusterIPs").cloned());
    } else if !same && spec.get("clusterIPs") == old.get("clusterIPs") {
        match str_at(spec, "clusterIP").to_owned() {
            cleared if cleared.is_empty() => drop(spec.remove("clusterIPs")),
            one => drop(spec.insert("clusterIPs".to_owned(), json!([one]))),
        }
    }
}

fn drop_by_type(spec: &mut Map<String, Value>, old: &Map<String, Value>) {
    let same = |spec: &Map<String, Value>, field: &str| spec.get(field) == old.get(field);
    if has_address(old) && !has_address(spec) {
        if same(spec, "clusterIP") && same(spec, "clusterIPs") {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        drop_unchanged(spec, old, &["ipFamilies", "ipFamilyPolicy"]);
    }
    if has_node_ports(old) && !has_node_ports(spec) {
        let known = node_ports(old);
        // A port that the client chose anew is wrong with all the others.
        if node_ports(spec).iter().all(|port| known.contains(port)) {
            children(spec, "ports").for_each(|port| drop(port.remove("nodePort")));
        }
    }
    if is_checked(old) && !is_checked(spec) {
        drop_unchanged(spec, old, &["healthCheckNodePort"]);
    }
    let balanced = |spec: &Map<String, Value>| str_at(spec, "type") == "LoadBalancer";
    if balanced(old) && !balanced(spec) {
        drop_unchanged(spec, old, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    let accessible = |spec: &Map<String, Value>| {
        let own_addresses = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        has_node_ports(spec) || (str_at(spec, "type") == "ClusterIP" && own_addresses)
    };
    if accessible(old) && !accessible(spec) {
        drop_unchanged(spec, old, &["externalTrafficPolicy"]);
    }
}

/// Ports keep their node port by name, whatever else of them changes; only one port may be without a name.
fn keep_node_ports(spec: &mut Map<String, Value>, old: &Map<String, Value>) {
    let node_port = |port: &Map<String, Value>| port.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
    let old_ports: Vec<&Map<String, Value>> =
        old.get("ports").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect();
    let taken = node_ports(spec);
    for port in children(spec, "ports").filter(|port| node_port(port) == 0) {
        let before = old_ports.iter().rev().find(|old| str_at(old, "name") == str_at(port, "name"));
        let before = before.map_or(0, |old| node_port(old));
        if before != 0 && !taken.contains(&before) {
            port.insert("nodePort".to_owned(), before.into());
        }
    }
}

fn node_ports(spec: &Map<String, Value>) -> BTreeSet<i64> {
    let ports = spec.get("ports").and_then(Value::as_array).into_iter().flatten();
    ports.filter_map(|port| port["nodePort"].as_i64()).filter(|port| *port != 0).collect()
}

fn drop_unchanged(spec: &mut Map<String, Value>, old: &Map<String, Value>, fields: &[&str]) {
    for field in fields {
        if spec.get(*field) == old.get(*field) {
            spec.remove(*field);
        }
    }
}

/// What only an update can do wrong.
pub(super) fn validate_transition(new: &At, old: &At, errors: &mut ErrorList) {
    let (spec, old_spec) = (new.at("spec"), old.at("spec"));
    let external = |spec: &At| spec.at("type").str() == "ExternalName";
    if !external(&spec) && !external(&old_spec) {
        let both_headless = is_headless(&spec) && is_headless(&old_spec);
        if !both_headless {
            validate_list(&spec, &old_spec, "clusterIPs", "primary clusterIP can not be unset", errors);
        }
        if !is_headless(&spec) && !is_headless(&old_spec) {
            validate_list(&spec, &old_spec, "ipFamilies", "primary ipFamily can not be unset", errors);
        }
    }
    validate_class(&spec, Some(&old_spec), errors);
    if needs_health_check(&spec) && needs_health_check(&old_spec) {
        let port = spec.at("healthCheckNodePort");
        if port.value() != old_spec.at("healthCheckNodePort").value() {
            errors.push(port.forbidden("field is immutable"));
        }
    }
}

/// The first entry stays; a second may come, and go with `SingleStack`.
fn validate_list(spec: &At, old_spec: &At, field: &str, unset: &str, errors: &mut ErrorList) {
    let (now, before) = (spec.at(field), old_spec.at(field));
    let value = || now.value().cloned().unwrap_or(Value::Null);
    let wrong = |index: usize, why: &str| api::field::Error::invalid(&now.path().index(index), value(), why);
    let entries = |at: &At| -> Vec<String> { at.strings().map(str::to_owned).collect() };
    let (new_list, old_list) = (entries(&now), entries(&before));
    if new_list.len() == old_list.len() {
        for (index, _) in new_list.iter().zip(&old_list).enumerate().filter(|(_, (a, b))| a != b) {
            errors.push(wrong(index, "may not change once set"));
        }
        return;
    }
    if new_list.is_empty() {
        errors.push(wrong(0, unset));
    } else if old_list.first().is_some_and(|first| new_list.first() != Some(first)) {
        errors.push(wrong(0, "may not change once set"));
    }
    let policy = spec.at("ipFamilyPolicy");
    if old_list.len() > new_list.len() && new_list.len() == 1 && policy.str() != "SingleStack" {
        let what = if field == "clusterIPs" { "clusterIP" } else { "ipFamily" };
        errors.push(policy.invalid(format!("must be set to 'SingleStack' when releasing the secondary {what}")));
    }
}
