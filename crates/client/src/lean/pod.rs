//! Pods as scheduler and controllers keep them: the fields that place pods and count them.
//!
//! k8s-openapi's `Pod` has room for every field that there is, 2.4 kB before its first string and 2.1 kB for each container,
//! and of ten thousand pods nearly all of it is empty. The names are those of the API's types, so that code reads the
//! same with either. What not: objects to send; what is not here was never decoded.

use k8s_openapi::api::core::v1::{
    self, Affinity, ContainerPort, PodSchedulingGate, ResourceRequirements, Toleration, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of a pod's conditions these are looked at: why it has no node, and whether it serves.
const KEPT_CONDITIONS: [&str; 2] = ["PodScheduled", "Ready"];

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Resource)]
#[resource(inherit = v1::Pod)]
pub struct Pod {
    /// Without `managedFields` and annotations.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What was asked for.
    pub spec: Option<PodSpec>,
    /// What became of it.
    pub status: Option<PodStatus>,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// Seldom there, and large.
    pub affinity: Option<Box<Affinity>>,
    /// At least one.
    #[serde(default)]
    pub containers: Arc<[Container]>,
    /// Those with `restartPolicy: Always` are sidecars.
    pub init_containers: Option<Arc<[Container]>>,
    /// The node that it was given.
    pub node_name: Option<String>,
    /// Labels that a node must have.
    pub node_selector: Option<BTreeMap<String, String>>,
    /// What the runtime needs beside the containers.
    pub overhead: Option<BTreeMap<String, Quantity>>,
    /// `Never`, or `PreemptLowerPriority`.
    pub preemption_policy: Option<String>,
    /// Resolved by admission.
    pub priority: Option<i32>,
    /// Of the whole pod.
    pub resources: Option<Box<ResourceRequirements>>,
    /// Who places it.
    pub scheduler_name: Option<String>,
    /// Not placed before these are gone.
    pub scheduling_gates: Option<Vec<PodSchedulingGate>>,
    /// Taints that do not keep it away.
    pub tolerations: Option<Arc<[Toleration]>>,
    /// How replicas are spread.
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
}

/// One of its containers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// As asked for.
    pub image: Option<String>,
    /// For those on the host.
    pub ports: Option<Vec<ContainerPort>>,
    /// What it needs.
    pub resources: Option<Requests>,
    /// `Always` makes a sidecar of an init container.
    pub restart_policy: Option<String>,
}

/// What a container needs: placing looks at requests, never at limits, which the API has made requests where there are none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Requests {
    /// By resource.
    pub requests: Option<BTreeMap<String, Quantity>>,
}

/// What became of a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Only of the types that are looked at.
    #[serde(default, deserialize_with = "kept_conditions")]
    pub conditions: Option<Vec<PodCondition>>,
    /// `Pending`, `Running`, …
    pub phase: Option<String>,
}

/// One of its conditions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCondition {
    /// When its status changed.
    pub last_transition_time: Option<Time>,
    /// For people.
    pub message: Option<String>,
    /// The `metadata.generation` that it is about.
    pub observed_generation: Option<i64>,
    /// In one word.
    pub reason: Option<String>,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Which condition.
    #[serde(rename = "type")]
    pub type_: String,
}

/// Pods of one workload ask for the same, and so does each state of a pod: what is equal to that of another is held once.
pub(super) fn share(pod: &mut Pod, like: &Pod) {
    let (Some(spec), Some(like)) = (&mut pod.spec, &like.spec) else { return };
    hold_once(&mut spec.containers, &like.containers);
    if let (Some(own), Some(like)) = (&mut spec.init_containers, &like.init_containers) {
        hold_once(own, like);
    }
    if let (Some(own), Some(like)) = (&mut spec.tolerations, &like.tolerations) {
        hold_once(own, like);
    }
}

fn hold_once<T: PartialEq>(own: &mut Arc<[T]>, like: &Arc<[T]>) {
    if own == like {
        *own = like.clone();
    }
}

fn kept_conditions<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<PodCondition>>, D::Error> {
    let all = Option::<Vec<PodCondition>>::deserialize(from)?;
    let is_kept = |condition: &PodCondition| KEPT_CONDITIONS.contains(&condition.type_.as_str());
    Ok(all.map(|all| all.into_iter().filter(is_kept).collect()))
}
