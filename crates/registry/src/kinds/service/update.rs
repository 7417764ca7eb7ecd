//! Changes of services: what was allocated stays, and addresses do not change.

use super::{is_headless, needs_health_check};
use crate::At;
use crate::object::{children, put, str_at};
use api::field::ErrorList;
use serde_json::{Map, Value, json};

/// What a client leaves out of an update is what the service had (`patchAllocatedValues`), as long as its type still
/// needs it; what the new type cannot have is dropped (`dropTypeDependentFields`).
pub(super) fn keep_allocated(new: &mut Value, old: &Value) {
    let Some(old_spec) = old.get("spec").and_then(Value::as_object) else {
        return;
    };
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let has_address =
        |spec: &Map<String, Value>| matches!(str_at(spec, "type"), "ClusterIP" | "NodePort" | "LoadBalancer");
    let has_node_port = |spec: &Map<String, Value>| matches!(str_at(spec, "type"), "NodePort" | "LoadBalancer");
    if has_address(old_spec) && has_address(spec) {
        keep_addresses(spec, old_spec);
    } else if has_address(old_spec) {
        drop_unchanged(
            spec,
            old_spec,
            &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"],
        );
    }
    if has_node_port(old_spec) && has_node_port(spec) {
        keep_node_ports(spec, old_spec);
    } else if has_node_port(old_spec) {
        drop_node_ports(spec, old_spec);
    }
    let accessible = |spec: &Map<String, Value>| {
        let own_addresses = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        has_node_port(spec) || (str_at(spec, "type") == "ClusterIP" && own_addresses)
    };
    if accessible(old_spec) && !accessible(spec) {
        drop_unchanged(spec, old_spec, &["externalTrafficPolicy"]);
    }
    let balanced = |spec: &Map<String, Value>| str_at(spec, "type") == "LoadBalancer";
    let checked = |spec: &Map<String, Value>| balanced(spec) && str_at(spec, "externalTrafficPolicy") == "Local";
    if checked(old_spec) && checked(spec) {
        if spec.get("healthCheckNodePort").and_then(Value::as_i64).unwrap_or(0) == 0 {
            put(spec, "healthCheckNodePort", old_spec.get("healthCheckNodePort").cloned());
        }
    } else if checked(old_spec) {
        drop_unchanged(spec, old_spec, &["healthCheckNodePort"]);
    }
    if balanced(old_spec) && !balanced(spec) {
        drop_unchanged(spec, old_spec, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
}

fn keep_addresses(spec: &mut Map<String, Value>, old: &Map<String, Value>) {
    let listed = |spec: &Map<String, Value>| {
        spec.get("clusterIPs").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    };
    if str_at(spec, "clusterIP").is_empty() && !listed(spec) {
        put(spec, "clusterIP", old.get("clusterIP").cloned());
    }
    let same = str_at(spec, "clusterIP") == str_at(old, "clusterIP");
    if same && !listed(spec) {
        put(spec, "clusterIPs", old.get("clusterIPs").cloned());
    } else if !same && spec.get("clusterIPs") == old.get("clusterIPs") && !str_at(spec, "clusterIP").is_empty() {
        // The client changed the single address only.
        let one = str_at(spec, "clusterIP").to_owned();
        spec.insert("clusterIPs".to_owned(), json!([one]));
    }
    for field in ["ipFamilies", "ipFamilyPolicy"] {
        if !spec.contains_key(field) {
            put(spec, field, old.get(field).cloned());
        }
    }
}

/// Ports keep their node port by name, whatever else of them changes; only one port may be without a name.
fn keep_node_ports(spec: &mut Map<String, Value>, old: &Map<String, Value>) {
    let key = |port: &Map<String, Value>| str_at(port, "name").to_owned();
    let node_port = |port: &Map<String, Value>| port.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
    let old_ports: Vec<&Map<String, Value>> =
        old.get("ports").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect();
    let mut taken: Vec<i64> = children(spec, "ports").map(|port| node_port(port)).collect();
    for port in children(spec, "ports") {
        if node_port(port) != 0 {
            continue;
        }
        let before = old_ports.iter().find(|old| key(old) == key(port)).map_or(0, |old| node_port(old));
        if before != 0 && !taken.contains(&before) {
            port.insert("nodePort".to_owned(), before.into());
            taken.push(before);
        }
    }
}

fn drop_node_ports(spec: &mut Map<String, Value>, old: &Map<String, Value>) {
    let ports = |spec: &Map<String, Value>| -> Vec<Value> {
        let list = spec.get("ports").and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|port| port.get("nodePort").cloned()).collect()
    };
    // Only those that the client did not choose anew.
    let known = ports(old);
    for port in children(spec, "ports") {
        if port.get("nodePort").is_some_and(|node_port| known.contains(node_port)) {
            port.remove("nodePort");
        }
    }
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
    validate_class(&spec, &old_spec, errors);
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

/// `validateLoadBalancerClassField` on update: fixed while the type stays.
fn validate_class(spec: &At, old_spec: &At, errors: &mut ErrorList) {
    let balanced = |spec: &At| spec.at("type").str() == "LoadBalancer";
    let class = spec.at("loadBalancerClass");
    if balanced(spec) && balanced(old_spec) && class.value() != old_spec.at("loadBalancerClass").value() {
        errors.push(class.invalid("may not change once set"));
    }
}
