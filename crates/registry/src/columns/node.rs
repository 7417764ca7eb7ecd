//! The row of a node.

use super::Row;
use super::cells::{age, name, or, or_none};
use crate::At;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn node(object: &Value, now: Timestamp) -> Row {
    let node = At::root(object);
    let status = node.at("status");
    let info = status.at("nodeInfo");
    let kernel = match (info.at("kernelVersion").str(), info.at("architecture").str()) {
        ("", _) => "<unknown>".to_owned(),
        (kernel, "") => kernel.to_owned(),
        (kernel, architecture) => format!("{kernel} ({architecture})"),
    };
    let addresses = status.at("addresses");
    let address = |kind: &str| {
        let found = addresses.items().find(|a| a.at("type").str() == kind);
        or_none(found.map_or("", |a| a.at("address").str()))
    };
    vec![
        name(object),
        readiness(&node).into(),
        or_none(&roles(&node)),
        age(object, now),
        info.at("kubeletVersion").str().into(),
        address("InternalIP"),
        address("ExternalIP"),
        or(info.at("osImage").str(), "<unknown>").into(),
        kernel.into(),
        or(info.at("containerRuntimeVersion").str(), "<unknown>").into(),
    ]
    .into()
}

fn readiness(node: &At) -> String {
    let status = node.at("status");
    let conditions = status.at("conditions");
    let ready = conditions.items().find(|c| c.at("type").str() == "Ready").map(|c| c.at("status").str());
    let ready = match ready {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = if node.at("spec").at("unschedulable").bool() { ",SchedulingDisabled" } else { "" };
    format!("{ready}{cordoned}")
}

/// From the labels `node-role.kubernetes.io/<role>` and `kubernetes.io/role`, sorted.
fn roles(node: &At) -> String {
    let mut roles = BTreeSet::new();
    let metadata = node.at("metadata");
    for (label, value) in metadata.at("labels").entries() {
        match label.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => drop(roles.insert(role)),
            _ if label == "kubernetes.io/role" && !value.is_empty() => drop(roles.insert(value.str())),
            _ => {}
        }
    }
    roles.into_iter().collect::<Vec<_>>().join(",")
}
