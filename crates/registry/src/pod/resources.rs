//! What a pod asks for as a whole (`k8s.io/component-helpers/resource`): the formula that the scheduler, the kubelet's
//! admission, quota and QoS share.
//!
//! Effective request = max(Σ app + Σ sidecars, max over init i of (init i + Σ sidecars before i)) + overhead, per
//! resource; a request of the pod itself takes the place of the sum for the resources that it names.

use crate::object::child;
use crate::quantity::Amount;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Amounts by resource name: `cpu`, `memory`, `example.com/gpu`.
pub type Resources = BTreeMap<String, Amount>;

/// Which of the two amounts of a container is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Requests,
    Limits,
}

/// A container, as far as the formula looks at it.
struct Part {
    restartable: bool,
    amounts: Resources,
}

/// What the scheduler must find on a node for the pod: `resource.PodRequests`.
pub fn pod_requests(spec: &PodSpec) -> Resources {
    let mut total = aggregate_container_requests(spec);
    apply_pod_level(&mut total, spec.resources.as_ref().and_then(|r| r.requests.as_ref()));
    add_all(&mut total, &typed(spec.overhead.as_ref()));
    total
}

/// The most that the pod may use: `resource.PodLimits`. Only the resources that something limits are named, and
/// overhead counts only where there is a limit.
pub fn pod_limits(spec: &PodSpec) -> Resources {
    let mut total = aggregate_container_limits(spec);
    apply_pod_level(&mut total, spec.resources.as_ref().and_then(|r| r.limits.as_ref()));
    for (name, amount) in typed(spec.overhead.as_ref()) {
        if let Some(limit) = total.get_mut(&name).filter(|limit| !limit.is_zero()) {
            *limit += amount;
        }
    }
    total
}

/// The formula over the containers alone, without the pod's own resources and overhead.
pub fn aggregate_container_requests(spec: &PodSpec) -> Resources {
    combine(parts(spec, Side::Requests))
}

/// The same of limits.
pub fn aggregate_container_limits(spec: &PodSpec) -> Resources {
    combine(parts(spec, Side::Limits))
}

/// Requests of one container.
pub fn container_requests(container: &Container) -> Resources {
    typed(container.resources.as_ref().and_then(|r| r.requests.as_ref()))
}

/// Limits of one container.
pub fn container_limits(container: &Container) -> Resources {
    typed(container.resources.as_ref().and_then(|r| r.limits.as_ref()))
}

/// Whether the pod as a whole may name the resource (KEP-2837).
pub fn is_supported_pod_level_resource(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn apply_pod_level(total: &mut Resources, own: Option<&BTreeMap<String, Quantity>>) {
    for (name, amount) in typed(own) {
        if is_supported_pod_level_resource(&name) {
            total.insert(name, amount);
        }
    }
}

fn parts(spec: &PodSpec, side: Side) -> (Vec<Part>, Vec<Part>) {
    let part = |container: &Container| Part {
        restartable: container.restart_policy.as_deref() == Some("Always"),
        amounts: match side {
            Side::Requests => container_requests(container),
            Side::Limits => container_limits(container),
        },
    };
    let init = spec.init_containers.iter().flatten().map(part).collect();
    (init, spec.containers.iter().map(part).collect())
}

/// The formula.
fn combine((init, app): (Vec<Part>, Vec<Part>)) -> Resources {
    let mut total = Resources::new();
    app.iter().for_each(|part| add_all(&mut total, &part.amounts));
    let mut sidecars = Resources::new();
    let mut most_at_init = Resources::new();
    for part in &init {
        let mut now = sidecars.clone();
        add_all(&mut now, &part.amounts);
        if part.restartable {
            add_all(&mut total, &part.amounts);
            sidecars.clone_from(&now);
        }
        raise_all(&mut most_at_init, &now);
    }
    raise_all(&mut total, &most_at_init);
    total
}

fn add_all(total: &mut Resources, more: &Resources) {
    for (name, amount) in more {
        *total.entry(name.clone()).or_default() += *amount;
    }
}

fn raise_all(total: &mut Resources, floor: &Resources) {
    for (name, amount) in floor {
        let entry = total.entry(name.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}

fn typed(list: Option<&BTreeMap<String, Quantity>>) -> Resources {
    let entries = list.into_iter().flatten();
    entries.filter_map(|(name, quantity)| Some((name.clone(), Amount::parse(&quantity.0)?))).collect()
}

/// Requests and limits of a generic container or pod; the other fields are left out.
fn generic(resources: Option<&Value>) -> ResourceRequirements {
    let list = |name: &str| {
        let map = resources.and_then(|r| r.get(name)).and_then(Value::as_object)?;
        Some(map.iter().map(|(k, v)| (k.clone(), Quantity(v.as_str().unwrap_or_default().to_owned()))).collect())
    };
    ResourceRequirements { claims: None, limits: list("limits"), requests: list("requests") }
}

/// The part of a generic pod spec that the formulas read, in typed form.
pub(crate) fn typed_spec(spec: &Map<String, Value>) -> PodSpec {
    let containers = |field: &str| -> Vec<Container> {
        let list = spec.get(field).and_then(Value::as_array).into_iter().flatten();
        list.map(|container| Container {
            restart_policy: container.get("restartPolicy").and_then(Value::as_str).map(str::to_owned),
            resources: Some(generic(container.get("resources"))),
            ..Container::default()
        })
        .collect()
    };
    PodSpec {
        containers: containers("containers"),
        init_containers: Some(containers("initContainers")),
        resources: spec.get("resources").map(|r| generic(Some(r))),
        overhead: generic(spec.get("overhead").map(|o| serde_json::json!({"limits": o})).as_ref()).limits,
        ..PodSpec::default()
    }
}

/// Defaults of a pod's own resources, where it names any: limits of huge pages from those of its containers; with
/// limits, requests from what its containers ask for, else from its own limits.
pub(super) fn default_pod_level(spec: &mut Map<String, Value>) {
    let named = |side: &str| spec.get("resources").and_then(|own| own.get(side)).and_then(Value::as_object);
    let (limits, requests) = (named("limits").cloned(), named("requests").cloned());
    let mut limits = limits.unwrap_or_default();
    let mut requests = requests.unwrap_or_default();
    if limits.is_empty() && requests.is_empty() {
        return;
    }
    let typed = typed_spec(spec);
    for (name, text) in as_written(spec, "limits", aggregate_container_limits(&typed)) {
        if is_huge_page(&name) && !requests.contains_key(&name) {
            limits.entry(name).or_insert(text);
        }
    }
    if limits.is_empty() {
        return;
    }
    for (name, text) in as_written(spec, "requests", aggregate_container_requests(&typed)) {
        if is_supported_pod_level_resource(&name) && !is_huge_page(&name) {
            requests.entry(name).or_insert(text);
        }
    }
    for (name, limit) in limits.iter().filter(|(name, _)| is_supported_pod_level_resource(name)) {
        requests.entry(name.clone()).or_insert_with(|| limit.clone());
    }
    let Some(own) = child(spec, "resources") else { return };
    own.insert("limits".to_owned(), limits.into());
    if !requests.is_empty() {
        own.insert("requests".to_owned(), requests.into());
    }
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Sums over the containers as text: one container's own where it is the sum, so that its form is kept.
fn as_written(spec: &Map<String, Value>, side: &str, sums: Resources) -> Vec<(String, Value)> {
    let containers =
        ["containers", "initContainers"].into_iter().filter_map(|list| spec.get(list)?.as_array()).flatten();
    let lists = containers.filter_map(|container| container.get("resources")?.get(side)?.as_object());
    let texts: Vec<_> = lists.flatten().filter_map(|(name, text)| Some((name, text.as_str()?))).collect();
    let written = |name: &String, amount: Amount| {
        let own = texts.iter().find(|(one, text)| *one == name && Amount::parse(text) == Some(amount));
        own.map_or_else(|| amount.to_string(), |(_, text)| (*text).to_owned())
    };
    sums.iter().map(|(name, amount)| (name.clone(), written(name, *amount).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: Value, want: &[(&str, &str)]) {
        let got = pod_requests(&typed_spec(spec.as_object().unwrap()));
        let want: Resources = want.iter().map(|(n, q)| ((*n).to_owned(), Amount::parse(q).unwrap())).collect();
        assert_eq!(got, want);
    }

    fn cpu(amount: &str) -> Value {
        json!({"resources": {"requests": {"cpu": amount}}})
    }

    fn sidecar(amount: &str) -> Value {
        json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": amount}}})
    }

    #[test]
    fn the_formula() {
        check(json!({"containers": [cpu("1"), cpu("2")]}), &[("cpu", "3")]);
        check(json!({"containers": [cpu("1")], "initContainers": [cpu("5"), cpu("4")]}), &[("cpu", "5")]);
        check(json!({"containers": [cpu("1")], "initContainers": [sidecar("2")]}), &[("cpu", "3")]);
        check(json!({"containers": [cpu("1")], "initContainers": [sidecar("2"), cpu("3")]}), &[("cpu", "5")]);
        check(json!({"containers": [cpu("1")], "initContainers": [cpu("3"), sidecar("2")]}), &[("cpu", "3")]);
        check(json!({"containers": [cpu("1")], "overhead": {"cpu": "500m"}}), &[("cpu", "1500m")]);
        let own = json!({"containers": [cpu("1")], "resources": {"requests": {"cpu": "4", "memory": "1Gi"}}});
        check(own, &[("cpu", "4"), ("memory", "1Gi")]);
    }
}
