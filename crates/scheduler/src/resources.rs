//! How much a pod asks for and a node has, in the units that the scheduler counts in.
//!
//! Mirrors `k8s.io/component-helpers/resource.PodRequests` and the scheduler's `framework.Resource`.

use api::quantity::Quantity;
use client::lean::{Container, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use std::collections::BTreeMap;

/// What a container without a cpu request counts as when spreading load, in thousandths of a core.
const DEFAULT_MILLI_CPU: i64 = 100;
/// The same for memory, in bytes (200 MiB).
const DEFAULT_MEMORY_BYTES: i64 = 200 * 1024 * 1024;

/// Amounts of each resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resources {
    /// Thousandths of a core.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
    /// Everything else (extended resources, hugepages), in whole units.
    pub scalars: BTreeMap<String, i64>,
}

impl Resources {
    /// From a `requests`, `overhead` or `allocatable` map. What does not parse counts as nothing: the API refuses it.
    pub fn from_map(map: Option<&BTreeMap<String, Text>>) -> Self {
        let mut resources = Self::default();
        for (name, text) in map.into_iter().flatten() {
            let Ok(quantity) = Quantity::parse(&text.0) else { continue };
            match name.as_str() {
                "cpu" => resources.milli_cpu = quantity.milli_value(),
                "memory" => resources.memory = quantity.value(),
                "ephemeral-storage" => resources.ephemeral_storage = quantity.value(),
                "pods" => {}
                _ => {
                    resources.scalars.insert(name.clone(), quantity.value());
                }
            }
        }
        resources
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, |a, b| a + b);
    }

    /// Takes `other` away.
    pub fn sub(&mut self, other: &Self) {
        self.combine(other, |a, b| a - b);
    }

    /// The larger of each.
    pub fn max(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(i64, i64) -> i64) {
        self.milli_cpu = with(self.milli_cpu, other.milli_cpu);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.scalars {
            let own = self.scalars.entry(name.clone()).or_default();
            *own = with(*own, *amount);
        }
    }

    /// Whether nothing is asked for.
    pub fn is_zero(&self) -> bool {
        self.milli_cpu == 0
            && self.memory == 0
            && self.ephemeral_storage == 0
            && self.scalars.values().all(|amount| *amount == 0)
    }
}

/// What `pod` requests: the larger of what its app containers and sidecars ask for together, and what any init
/// container asks for beside the sidecars before it; plus overhead. Pod-level requests override.
pub fn pod_requests(pod: &Pod) -> Resources {
    effective(pod, false)
}

/// The same, with containers that request no cpu or no memory counted as 100m and 200Mi: for spreading load.
pub fn pod_non_zero_requests(pod: &Pod) -> Resources {
    effective(pod, true)
}

fn effective(pod: &Pod, non_zero: bool) -> Resources {
    let Some(spec) = &pod.spec else { return Resources::default() };
    let mut running = Resources::default();
    for container in spec.containers.iter() {
        running.add(&container_requests(container, non_zero));
    }
    let mut sidecars = Resources::default();
    let mut starting = Resources::default();
    for container in spec.init_containers.iter().flat_map(|all| all.iter()) {
        let mut wanted = container_requests(container, non_zero);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars.add(&wanted);
            starting.max(&sidecars);
        } else {
            wanted.add(&sidecars);
            starting.max(&wanted);
        }
    }
    running.add(&sidecars);
    running.max(&starting);
    override_by_pod_level(spec, &mut running);
    running.add(&Resources::from_map(spec.overhead.as_ref()));
    running
}

fn override_by_pod_level(spec: &PodSpec, running: &mut Resources) {
    let Some(requests) = spec.resources.as_ref().and_then(|r| r.requests.as_ref()) else { return };
    let level = Resources::from_map(Some(requests));
    if requests.contains_key("cpu") {
        running.milli_cpu = level.milli_cpu;
    }
    if requests.contains_key("memory") {
        running.memory = level.memory;
    }
    running.scalars.extend(level.scalars);
}

fn container_requests(container: &Container, non_zero: bool) -> Resources {
    let requests = container.resources.as_ref().and_then(|r| r.requests.as_ref());
    let mut resources = Resources::from_map(requests);
    if non_zero {
        if requests.is_none_or(|r| !r.contains_key("cpu")) {
            resources.milli_cpu = DEFAULT_MILLI_CPU;
        }
        if requests.is_none_or(|r| !r.contains_key("memory")) {
            resources.memory = DEFAULT_MEMORY_BYTES;
        }
    }
    resources
}
