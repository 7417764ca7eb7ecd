//! What to do next about a pod: a pure function from what was observed to a list of actions (upstream's
//! `computePodActions`).
//!
//! Why pure: all choices are made here, and the tests test them; the executor has none. What not: image pulls, volumes
//! and termination, which have their own plans.

mod backoff;
mod ended;
#[cfg(test)]
mod tests;

pub use backoff::{Backoff, INITIAL_DELAY, MAX_DELAY, RESET_AFTER};

use crate::observed::{Observed, ProbeFailure, ProbeResults};
use crate::pod::{self, Role};
use crate::resize;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use runtime::service::{ContainerId, ContainerState, ContainerStatus, SandboxId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All that the decision depends on.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// What is wanted.
    pub pod: &'a Pod,
    /// What is.
    pub observed: &'a Observed,
    /// Whether the newest sandbox is connected to the network.
    pub sandbox_usable: bool,
    /// What probes say.
    pub probes: &'a ProbeResults,
    /// How long ended containers have to wait.
    pub backoff: &'a Backoff,
    /// Containers whose last attempt failed before there was an instance: not before this moment again.
    pub held: &'a BTreeMap<String, Timestamp>,
    /// Instances that were stopped to be started anew, whatever the restart policy says.
    pub replaced: &'a BTreeSet<ContainerId>,
    /// Now.
    pub now: Timestamp,
}

impl PlanInput<'_> {
    fn restarts(&self, role: Role, container: &Container, ended: &ContainerStatus) -> bool {
        self.replaced.contains(&ended.id) || pod::restarts_after(self.pod, role, container, ended.exit_code)
    }
}

/// A container to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartContainer {
    /// Which.
    pub name: String,
    /// Its part.
    pub role: Role,
    /// How many instances there were before.
    pub attempt: u32,
}

/// Why a running container is stopped while its pod goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillContainer {
    /// Which instance.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Its part.
    pub role: Role,
    /// Words for the Killing event.
    pub message: String,
    /// Whether a probe wants it; else it starts again at once, without back-off, with a changed definition.
    pub probe_failed: bool,
    /// The failed probe's own `terminationGracePeriodSeconds`.
    pub grace_period_seconds: Option<i64>,
}

/// A container that waits out its back-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackingOff {
    /// Which.
    pub name: String,
    /// Its part.
    pub role: Role,
    /// The instance that ended.
    pub instance: ContainerId,
    /// The whole delay.
    pub delay: Duration,
    /// Its end.
    pub until: Timestamp,
    /// Whether to say so yet: a failure to start is shown as such for a moment first.
    pub announce: bool,
}

/// What to do, in this order. Doing it changes what is observed: plan again until there is nothing left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodActions {
    /// Stop everything of the pod's sandboxes first, because they cannot be used any more.
    pub kill_sandboxes: Vec<SandboxId>,
    /// Make a sandbox with this attempt; nothing else is planned before it exists.
    pub create_sandbox: Option<u32>,
    /// Containers to stop.
    pub kill: Vec<KillContainer>,
    /// Instances that are of no more use.
    pub remove: Vec<ContainerId>,
    /// Old sandboxes that hold nothing of use.
    pub remove_sandboxes: Vec<SandboxId>,
    /// Containers to start.
    pub start: Vec<StartContainer>,
    /// Containers that wait.
    pub backing_off: Vec<BackingOff>,
    /// No container will run again but sidecars: the pod can be wound up.
    pub finished: bool,
    /// When time alone changes the plan.
    pub wake_at: Option<Timestamp>,
}

impl PodActions {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |old| old.min(at)));
    }
}

/// Instances of each container that are kept: the newest, and the one before it for `logs --previous` and `lastState`.
const INSTANCES_KEPT: usize = 2;

/// The plan.
pub fn compute_pod_actions(input: &PlanInput<'_>) -> PodActions {
    let mut actions = PodActions::default();
    if is_finished(input) {
        actions.finished = true;
        return actions;
    }
    if !input.sandbox_usable {
        plan_sandbox(input, &mut actions);
        return actions;
    }
    plan_garbage(input, &mut actions);
    let initialized = plan_init_containers(input, &mut actions);
    if initialized {
        for container in &pod::spec(input.pod).containers {
            plan_container(input, Role::App, container, &mut actions);
        }
    }
    for container in pod::ephemeral_containers(input.pod) {
        if input.observed.latest(&container.name).is_none() {
            plan_start(input, Role::Ephemeral, &container.name, &mut actions);
        }
    }
    actions
}

/// Whether every app container has ended for good, or an init container has failed for good.
pub fn is_finished(input: &PlanInput<'_>) -> bool {
    let (pod, observed) = (input.pod, input.observed);
    let over = |role: Role, container: &Container| {
        observed
            .latest(&container.name)
            .is_some_and(|latest| latest.state == ContainerState::Exited && !input.restarts(role, container, latest))
    };
    let apps = &pod::spec(pod).containers;
    if !apps.is_empty() && apps.iter().all(|c| over(Role::App, c)) {
        return true;
    }
    let any_app_ran = apps.iter().any(|c| observed.latest(&c.name).is_some());
    !any_app_ran
        && pod::init_containers(pod)
            .iter()
            .filter(|c| !pod::is_sidecar(c))
            .any(|c| over(Role::Init, c) && observed.latest(&c.name).is_some_and(|latest| latest.exit_code != 0))
}

fn plan_sandbox(input: &PlanInput<'_>, actions: &mut PodActions) {
    let observed = input.observed;
    actions.kill_sandboxes = observed.sandboxes.iter().take(1).map(|s| s.id.clone()).collect();
    actions.create_sandbox = Some(observed.sandbox().map_or(0, |s| s.metadata.attempt + 1));
    plan_garbage(input, actions);
}

/// Old instances and old sandboxes.
fn plan_garbage(input: &PlanInput<'_>, actions: &mut PodActions) {
    let observed = input.observed;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut useful = Vec::new();
    for container in &observed.containers {
        let count = seen.entry(&container.metadata.name).or_default();
        *count += 1;
        if *count > INSTANCES_KEPT && container.state != ContainerState::Running {
            actions.remove.push(container.id.clone());
        } else {
            useful.push(&container.sandbox_id);
        }
    }
    for sandbox in observed.sandboxes.iter().skip(1) {
        if !useful.contains(&&sandbox.id) {
            actions.remove_sandboxes.push(sandbox.id.clone());
        }
    }
}

/// Init containers strictly one after the other, sidecars kept running. Whether app containers may start.
fn plan_init_containers(input: &PlanInput<'_>, actions: &mut PodActions) -> bool {
    let (pod, observed) = (input.pod, input.observed);
    let init = pod::init_containers(pod);
    let began = |container: &Container| observed.current(&container.name).is_some();
    // once an app container of this sandbox was made, initialization is over, even where records of it are gone
    let initialized = pod::spec(pod).containers.iter().any(began);
    for (index, container) in init.iter().enumerate() {
        let passed = initialized || init[index + 1..].iter().any(began);
        if pod::is_sidecar(container) {
            plan_container(input, Role::Sidecar, container, actions);
            let up = observed
                .current(&container.name)
                .is_some_and(|c| c.state == ContainerState::Running && input.probes.of(c).started);
            if !passed && !up {
                return false;
            }
            continue;
        }
        let done =
            observed.current(&container.name).is_some_and(|c| c.state == ContainerState::Exited && c.exit_code == 0);
        if passed || done {
            continue;
        }
        plan_container(input, Role::Init, container, actions);
        return false;
    }
    true
}

/// One container that should run: start it, start it again, or stop what is wrong.
fn plan_container(input: &PlanInput<'_>, role: Role, container: &Container, actions: &mut PodActions) {
    let observed = input.observed;
    let Some(current) = observed.current(&container.name) else {
        // in a new sandbox, what had ended for good in the old one does not run again
        let over = observed.latest(&container.name).is_some_and(|latest| {
            role == Role::App && latest.state == ContainerState::Exited && !input.restarts(role, container, latest)
        });
        if !over {
            plan_start(input, role, &container.name, actions);
        }
        return;
    };
    match current.state {
        ContainerState::Running => plan_running(input, role, container, current, actions),
        ContainerState::Created => {
            // left over by a kubelet that died between the two verbs
            actions.remove.push(current.id.clone());
            plan_start(input, role, &container.name, actions);
        }
        ContainerState::Exited | ContainerState::Unknown => ended::plan_ended(input, role, container, current, actions),
    }
}

fn plan_running(
    input: &PlanInput<'_>,
    role: Role,
    container: &Container,
    current: &ContainerStatus,
    actions: &mut PodActions,
) {
    let hash = current.annotations.get(pod::labels::CONTAINER_HASH);
    let changed = role != Role::Init && hash.is_some_and(|hash| *hash != pod::container_hash(container));
    let failed = input.probes.of(current).failed;
    let resized = resize::requires_restart(container, current);
    let message = match (changed, failed) {
        (true, _) => format!("Container {} definition changed, will be restarted", container.name),
        (false, None) if resized => format!("Container {} resize requires restart", container.name),
        (false, Some(probe)) => {
            let restarts = pod::restarts_after(input.pod, role, container, 137);
            let then = if restarts { ", will be restarted" } else { "" };
            format!("Container {} failed {} probe{then}", container.name, probe.as_str())
        }
        (false, None) => return,
    };
    let probe = match failed {
        Some(ProbeFailure::Liveness) => container.liveness_probe.as_ref(),
        Some(ProbeFailure::Startup) => container.startup_probe.as_ref(),
        None => None,
    };
    actions.kill.push(KillContainer {
        id: current.id.clone(),
        name: container.name.clone(),
        role,
        message,
        probe_failed: failed.is_some(),
        grace_period_seconds: probe.and_then(|probe| probe.termination_grace_period_seconds),
    });
}

fn plan_start(input: &PlanInput<'_>, role: Role, name: &str, actions: &mut PodActions) {
    if let Some(until) = input.held.get(name)
        && *until > input.now
    {
        actions.wake(*until);
        return;
    }
    let latest = input.observed.latest(name);
    let attempt = latest.map_or(0, |c| c.metadata.attempt + u32::from(c.state != ContainerState::Created));
    actions.start.push(StartContainer { name: name.to_owned(), role, attempt });
}
