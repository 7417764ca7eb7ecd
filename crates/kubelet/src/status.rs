//! A pod's status from what was observed: a pure function (upstream's `generateAPIPodStatus`).
//!
//! What not: when it is sent, and how: that is the status manager's.

pub mod conditions;
pub mod containers;
pub mod patch;
pub mod phase;
#[cfg(test)]
mod tests;

use crate::observed::{Observed, ProbeResults};
use crate::pod::{self, Role};
use crate::resize::{self, ResizeProgress};
use crate::resources;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, HostIP, Pod, PodIP, PodStatus, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Why a container waits, in the words of its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// `CrashLoopBackOff`, `ErrImagePull`, …
    pub reason: String,
    /// In words.
    pub message: String,
}

/// Why the pod as a whole failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `DeadlineExceeded`, `Evicted`, …
    pub reason: String,
    /// In words.
    pub message: String,
}

/// How far the pod's worker is (upstream's `SyncPodType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its containers are to run.
    Sync,
    /// They are being stopped.
    Terminating,
    /// All is over.
    Terminated,
}

/// All that a status depends on.
#[derive(Debug)]
pub struct StatusInput<'a> {
    /// The object.
    pub pod: &'a Arc<Pod>,
    /// What the runtime has.
    pub observed: &'a Observed,
    /// The status that was sent last, or that the object has.
    pub old: &'a PodStatus,
    /// Whether the newest sandbox runs and is connected.
    pub sandbox_usable: bool,
    /// The pod's addresses; empty when it has none yet.
    pub addresses: &'a [IpAddr],
    /// The node's addresses.
    pub host_addresses: &'a [IpAddr],
    /// Containers that wait for another reason than that it is not their turn.
    pub waiting: &'a BTreeMap<String, Waiting>,
    /// What probes say.
    pub probes: &'a ProbeResults,
    /// Termination messages by container id.
    pub messages: &'a BTreeMap<String, String>,
    /// Set where the kubelet ends the pod.
    pub failure: Option<&'a Failure>,
    /// How far the worker is.
    pub stage: Stage,
    /// How far a resize is.
    pub resize: &'a ResizeProgress,
    /// Now.
    pub now: Timestamp,
}

/// The status.
pub fn generate(input: &StatusInput<'_>) -> PodStatus {
    let pod = input.pod;
    let status_of = |role: Role| -> Vec<ContainerStatus> {
        let all = pod::containers(pod);
        let wanted = all.iter().filter(|(r, _)| match role {
            Role::Init => matches!(r, Role::Init | Role::Sidecar),
            other => *r == other,
        });
        wanted.map(|(r, c)| containers::container_status(input, *r, c)).collect()
    };
    let init = status_of(Role::Init);
    let app = status_of(Role::App);
    let ephemeral = status_of(Role::Ephemeral);
    let counted = phase::phase(pod, &init, &app, input.stage);
    let phase = match (input.failure, input.stage) {
        (Some(_), Stage::Sync | Stage::Terminating) => counted,
        (Some(_), Stage::Terminated) => phase::Phase::Failed,
        (None, _) => counted,
    };
    let conditions = conditions::conditions(input, phase, &init, &app);
    // the end is told when nothing runs any more and the sandbox is down
    let phase = match (input.stage, phase) {
        (Stage::Sync | Stage::Terminating, phase::Phase::Succeeded | phase::Phase::Failed) => {
            let ran = input.old.phase.as_deref() == Some("Running");
            if ran { phase::Phase::Running } else { phase::Phase::Pending }
        }
        (_, phase) => phase,
    };
    // a pod that was wound up before it could say how it ended has failed
    let phase = match (input.stage, phase) {
        (Stage::Terminated, phase::Phase::Pending | phase::Phase::Running) => phase::Phase::Failed,
        (_, phase) => phase,
    };
    let failure = input.failure.filter(|_| input.stage == Stage::Terminated);
    let addresses = if input.addresses.is_empty() { old_addresses(input.old) } else { input.addresses.to_vec() };
    let terminal = matches!(phase, phase::Phase::Succeeded | phase::Phase::Failed);
    let totals = resources::pod_status_resources(pod);
    let actual = resources::pod_status_resources(&resize::actual(pod, input.observed));
    PodStatus {
        phase: Some(phase.as_str().to_owned()),
        reason: failure.map(|f| f.reason.clone()),
        message: failure.map(|f| f.message.clone()),
        conditions: Some(conditions),
        container_statuses: (!app.is_empty()).then_some(app),
        init_container_statuses: (!init.is_empty()).then_some(init),
        ephemeral_container_statuses: (!ephemeral.is_empty()).then_some(ephemeral),
        host_ip: input.host_addresses.first().map(IpAddr::to_string),
        host_ips: some(input.host_addresses.iter().map(|ip| HostIP { ip: ip.to_string() }).collect()),
        pod_ip: addresses.first().map(IpAddr::to_string),
        pod_ips: some(addresses.iter().map(|ip| PodIP { ip: ip.to_string() }).collect()),
        qos_class: Some(resources::qos_class(pod).as_str().to_owned()),
        start_time: Some(input.old.start_time.clone().unwrap_or(Time(whole_second(input.now)))),
        observed_generation: pod.metadata.generation,
        resources: Some(if terminal { ResourceRequirements::default() } else { actual }),
        allocated_resources: totals.requests,
        nominated_node_name: input.old.nominated_node_name.clone(),
        resource_claim_statuses: input.old.resource_claim_statuses.clone(),
        ..PodStatus::default()
    }
}

/// The status of a pod that the kubelet refuses: no containers, no addresses.
pub fn rejected(pod: &Pod, old: &PodStatus, failure: &Failure, now: Timestamp) -> PodStatus {
    PodStatus {
        phase: Some("Failed".to_owned()),
        reason: Some(failure.reason.clone()),
        message: Some(format!("Pod was rejected: {}", failure.message)),
        start_time: Some(old.start_time.clone().unwrap_or(Time(whole_second(now)))),
        qos_class: Some(resources::qos_class(pod).as_str().to_owned()),
        observed_generation: pod.metadata.generation,
        conditions: old.conditions.clone(),
        ..PodStatus::default()
    }
}

/// The API's times have whole seconds.
pub fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn old_addresses(old: &PodStatus) -> Vec<IpAddr> {
    old.pod_ips.iter().flatten().filter_map(|ip| ip.ip.parse().ok()).collect()
}
