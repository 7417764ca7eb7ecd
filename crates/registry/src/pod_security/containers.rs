//! Walking a pod's containers, and saying which of them are wrong.

use super::Pod;
use serde_json::Value;

/// All containers, in the order in which upstream visits them.
pub(super) fn containers(pod: Pod<'_>) -> impl Iterator<Item = &Value> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.into_iter().filter_map(move |list| pod.spec[list].as_array()).flatten()
}

/// Names of the containers for which something holds.
pub(super) fn names<'a>(pod: Pod<'a>, holds: impl Fn(&Value) -> bool) -> Vec<&'a str> {
    containers(pod).filter(|container| holds(container)).map(name).collect()
}

/// The container's name.
pub(super) fn name(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

/// One word or the other.
pub(super) fn plural<'a>(one: &'a str, many: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`
pub(super) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// `container "a"`, `containers "a", "b"`
pub(super) fn these(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// `pod`, `container "a"`, `pod and containers "a", "b"`: who sets something.
pub(super) fn setters(pod_sets: bool, names: &[&str]) -> Option<String> {
    match (pod_sets, names.is_empty()) {
        (true, true) => Some("pod".to_owned()),
        (true, false) => Some(format!("pod and {}", these(names))),
        (false, false) => Some(these(names)),
        (false, true) => None,
    }
}

/// The values without repetition, in their order.
pub(super) fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all: Vec<&str> = values.collect();
    all.sort_unstable();
    all.dedup();
    all
}
