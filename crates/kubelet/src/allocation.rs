//! What the node has granted to pods: it stays behind what a pod asks for where there is no room yet (KEP-1287).
//!
//! Pure: what an allocation is, and whether another one fits. Whose turn it is and who is told is the manager's. What not:
//! nothing here touches cgroups; that is `resize`.

mod manager;
#[cfg(test)]
mod tests;

pub use manager::{AllocationManager, View};

use crate::admission;
use crate::amount::Milli;
use crate::pod;
use crate::resources::{self, Amounts};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Requests and limits of a pod's containers, and of the pod as a whole where it has its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Allocation {
    /// `spec.resources`
    pub pod: Option<ResourceRequirements>,
    /// By container name; init containers as well, ephemeral ones not.
    pub containers: BTreeMap<String, ResourceRequirements>,
}

impl Allocation {
    /// What a pod asks for.
    pub fn of(pod: &Pod) -> Self {
        let spec = pod::spec(pod);
        let all = spec.containers.iter().chain(pod::init_containers(pod));
        let containers = all.map(|c| (c.name.clone(), c.resources.clone().unwrap_or_default())).collect();
        Self { pod: spec.resources.clone(), containers }
    }

    /// Whether both grant the same amounts, however they are written.
    pub fn same(&self, other: &Self) -> bool {
        same_requirements(self.pod.as_ref(), other.pod.as_ref())
            && self.containers.len() == other.containers.len()
            && self.containers.iter().all(|(name, own)| {
                other.containers.get(name).is_some_and(|others| same_requirements(Some(own), Some(others)))
            })
    }

    /// The pod as if it asked for this (upstream's `UpdatePodFromAllocation`).
    pub fn onto(&self, pod: &Arc<Pod>) -> Arc<Pod> {
        if self.same(&Self::of(pod)) {
            return pod.clone();
        }
        let mut granted = (**pod).clone();
        let PodSpec { containers, init_containers, resources, .. } = granted.spec.get_or_insert_default();
        resources.clone_from(&self.pod);
        for container in containers.iter_mut().chain(init_containers.iter_mut().flatten()) {
            if let Some(own) = self.containers.get(&container.name) {
                container.resources = Some(own.clone());
            }
        }
        Arc::new(granted)
    }
}

/// Whether two lists are the same amounts; an absent one is empty.
pub fn same_amounts(a: Option<&BTreeMap<String, Quantity>>, b: Option<&BTreeMap<String, Quantity>>) -> bool {
    fn read(list: Option<&BTreeMap<String, Quantity>>) -> BTreeMap<&String, Milli> {
        list.into_iter().flatten().map(|(name, quantity)| (name, Milli::of(quantity))).collect()
    }
    read(a) == read(b)
}

fn same_requirements(a: Option<&ResourceRequirements>, b: Option<&ResourceRequirements>) -> bool {
    let (a_requests, a_limits) = (a.and_then(|r| r.requests.as_ref()), a.and_then(|r| r.limits.as_ref()));
    let (b_requests, b_limits) = (b.and_then(|r| r.requests.as_ref()), b.and_then(|r| r.limits.as_ref()));
    same_amounts(a_requests, b_requests) && same_amounts(a_limits, b_limits)
}

/// Why a resize is not granted: the reason of `PodResizePending`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingReason {
    /// There may be room later.
    Deferred,
    /// This node can never have room for it.
    Infeasible,
}

impl PendingReason {
    /// The word in the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deferred => "Deferred",
            Self::Infeasible => "Infeasible",
        }
    }

    /// The reason of the event.
    pub fn event(self) -> &'static str {
        match self {
            Self::Deferred => "ResizeDeferred",
            Self::Infeasible => "ResizeInfeasible",
        }
    }
}

/// A resize that is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Whether it may be later.
    pub reason: PendingReason,
    /// In upstream's words.
    pub message: String,
    /// The object's generation that asked for it.
    pub generation: Option<i64>,
    /// Since when it is asked for.
    pub since: Timestamp,
}

/// Whether the node can grant what a running pod asks for, beside what the others have. Mirrors upstream's predicates for
/// `ResizeOperation`.
pub fn fits(pod: &Pod, others: &[Arc<Pod>], allocatable: &Amounts) -> Result<(), (PendingReason, String)> {
    let wanted = resources::effective_requests(pod);
    let beyond = |name: &str| {
        let (wanted, capacity) = (wanted.get(name)?, allocatable.get(name)?);
        (wanted > capacity).then(|| {
            let unit = |amount: Milli| if name == "cpu" { amount.milli() } else { amount.value() };
            let (wanted, capacity) = (unit(*wanted), unit(*capacity));
            format!("Node didn't have enough capacity: {name}, requested: {wanted}, capacity: {capacity}")
        })
    };
    if let Some(message) = beyond("memory").or_else(|| beyond("cpu")) {
        return Err((PendingReason::Infeasible, message));
    }
    admission::check_resources(pod, others, allocatable).map_err(|failure| (PendingReason::Deferred, failure.message))
}
