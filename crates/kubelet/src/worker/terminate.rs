//! Winding a pod up: stop its containers in order and in time, take down the sandbox, say how it ended, clean up.

use super::{Desired, Worker};
use crate::hooks;
use crate::pod::{self, Role};
use crate::shared::Shared;
use crate::volumes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::{Container, Pod};
use runtime::service::{ContainerId, RuntimeError};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A stopped container gets at least this long where a hook has used up the grace period
/// (`minimumGracePeriodInSeconds`).
const MINIMUM_GRACE: Duration = Duration::from_secs(2);

/// Why a pod could not be wound up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TerminateError {
    /// The runtime's.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The file system's.
    #[error("clean up the pod's directory: {0}")]
    Files(#[from] std::io::Error),
}

/// A container that is to be stopped.
struct Victim {
    id: ContainerId,
    role: Role,
    container: Option<Container>,
}

impl Worker {
    /// Stops everything. Statuses stay as they are until all is over; then the last one is published.
    pub(super) async fn terminate(&mut self, desired: &Desired) -> Result<(), TerminateError> {
        self.failure = desired.evicted.clone().or(self.failure.take());
        self.pulls.clear();
        self.present.clear();
        self.observe().await?;
        let ran = self.observed.sandbox().is_some();
        if ran && !pod::is_terminal_phase(&self.pod) && self.observed.running().next().is_some() {
            // the new generation is taken note of, and nothing else
            self.publish_status();
        }
        self.prober.terminate();
        self.stop_containers(desired).await;
        for sandbox in self.observed.sandboxes.clone() {
            self.stop_sandbox(&sandbox.id).await?;
        }
        self.observe().await?;
        self.waiting.clear();
        self.stage = crate::status::Stage::Terminated;
        self.shared.allocations.over(&pod::uid(&self.pod));
        self.shared.retry_resizes();
        // where the object, or the manifest, is gone, nobody is told how it ended
        if !pod::is_terminal_phase(&self.pod) && !self.inbox.peek().removed {
            self.publish_status();
        }
        self.addresses = None;
        self.shared.watches.set(&pod::uid(&self.pod), &std::collections::BTreeSet::new());
        let (shared, uid) = (self.shared.clone(), pod::uid(&self.pod).0);
        let cleaned = tokio::task::spawn_blocking(move || volumes::tear_down(&shared.config.paths, &uid)).await;
        cleaned.map_err(|error| TerminateError::Files(std::io::Error::other(error)))??;
        self.volumes = None;
        Ok(())
    }

    /// Removes what is left after the end: records and logs. Then the object may go.
    pub(super) async fn reclaim(&mut self, desired: &Desired) -> Result<(), TerminateError> {
        self.observe().await?;
        for sandbox in &self.observed.sandboxes {
            self.shared.runtime.remove_pod_sandbox(&sandbox.id).await?;
        }
        let (shared, pod) = (self.shared.clone(), self.pod.clone());
        let clean = move || {
            volumes::tear_down(&shared.config.paths, &pod::uid(&pod).0)?;
            shared.config.paths.log_links(&pod).for_each(|link| {
                let _ = std::fs::remove_file(link); // somebody else may have been quicker
            });
            let _ = std::fs::remove_dir_all(shared.config.paths.log_directory(&pod)); // it may never have been made
            Ok::<(), std::io::Error>(())
        };
        tokio::task::spawn_blocking(clean)
            .await
            .map_err(|error| TerminateError::Files(std::io::Error::other(error)))??;
        let uid = pod::uid(&self.pod);
        self.shared.sandbox_index.forget(&uid);
        self.shared.observed.forget(&uid);
        if desired.pod.metadata.deletion_timestamp.is_some() && !desired.removed {
            self.shared.statuses.reclaimed(&self.pod);
        } else {
            self.shared.statuses.forget(&uid);
        }
        Ok(())
    }

    /// App containers and plain init containers at once, then sidecars from the last to the first. A shorter grace
    /// period that is asked for meanwhile takes effect at once.
    async fn stop_containers(&mut self, desired: &Desired) {
        let victims: Vec<Victim> = self
            .observed
            .running()
            .map(|c| {
                let known = pod::container(&self.pod, &c.metadata.name);
                let role = known.as_ref().map_or(Role::App, |(role, _)| *role);
                Victim { id: c.id.clone(), role, container: known.map(|(_, container)| container) }
            })
            .collect();
        for victim in victims.iter().filter(|v| !self.killing.contains(&v.id)) {
            let Some(container) = &victim.container else { continue };
            let message = format!("Stopping container {}", container.name);
            self.events().normal(victim.role, container, "Killing", &message);
        }
        let grace_seconds = desired.grace_period_seconds();
        let all: Vec<ContainerId> = victims.iter().map(|v| v.id.clone()).collect();
        let grace = Duration::from_secs(grace_seconds.unsigned_abs());
        let order = stop_in_order(self.shared.clone(), self.pod.clone(), victims, grace, self.pod_addresses());
        let shortened = self.watch_for_shorter_grace(grace_seconds, &all);
        futures::pin_mut!(order, shortened);
        futures::future::select(order, shortened).await;
    }

    /// Resolves once a shorter grace period has been carried out.
    async fn watch_for_shorter_grace(&self, mut seconds: i64, containers: &[ContainerId]) {
        loop {
            self.inbox.changed().await;
            let asked = self.inbox.peek().grace_period_seconds();
            if asked >= seconds {
                continue;
            }
            seconds = asked;
            let grace = Duration::from_secs(asked.unsigned_abs());
            let stops = containers.iter().map(|id| self.shared.runtime.stop_container(id, grace));
            if futures::future::join_all(stops).await.iter().all(Result::is_ok) {
                return;
            }
        }
    }
}

async fn stop_in_order(
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    victims: Vec<Victim>,
    grace: Duration,
    addresses: Vec<IpAddr>,
) {
    let began = shared.clock.monotonic();
    let (mut sidecars, others): (Vec<_>, Vec<_>) = victims.into_iter().partition(|v| v.role == Role::Sidecar);
    let position = |name: &str| pod::init_containers(&pod).iter().position(|c| c.name == name);
    sidecars.sort_by_key(|v| std::cmp::Reverse(v.container.as_ref().and_then(|c| position(&c.name))));
    let mut at_once: FuturesUnordered<_> = others
        .iter()
        .map(|v| stop_one(&shared, &pod, v.container.as_ref(), v.role, &v.id, grace, &addresses))
        .collect();
    while at_once.next().await.is_some() {}
    for victim in &sidecars {
        let used = shared.clock.monotonic().saturating_sub(began);
        let left = if grace.is_zero() { grace } else { grace.saturating_sub(used).max(MINIMUM_GRACE) };
        stop_one(&shared, &pod, victim.container.as_ref(), victim.role, &victim.id, left, &addresses).await;
    }
}

/// Stops one container: its preStop hook, the signal, the kill. Tries until the runtime says that it is done.
pub(super) async fn stop_one(
    shared: &Arc<Shared>,
    pod: &Pod,
    container: Option<&Container>,
    role: Role,
    id: &ContainerId,
    grace: Duration,
    addresses: &[IpAddr],
) {
    let began = shared.clock.monotonic();
    let hook = container.and_then(|c| Some((c, c.lifecycle.as_ref()?.pre_stop.as_ref()?)));
    let mut left = grace;
    if let (Some((container, hook)), false) = (hook, grace.is_zero()) {
        let run = hooks::run(shared, id, container, hook, addresses);
        let outcome = clock::timeout(&*shared.clock, grace, run).await;
        if let Some(Err(error)) = outcome {
            tracing::warn!(container = %id, %error, "preStop hook failed");
            let events = crate::events::PodEvents { sink: &*shared.events, pod };
            events.warning(role, container, "FailedPreStopHook", "PreStopHook failed");
        }
        let used = shared.clock.monotonic().saturating_sub(began);
        left = grace.saturating_sub(used).max(MINIMUM_GRACE);
    }
    while let Err(error) = shared.runtime.stop_container(id, left).await {
        if matches!(error, RuntimeError::NotFound { .. }) {
            return;
        }
        tracing::warn!(container = %id, %error, "cannot stop a container; trying again");
        shared.clock.sleep(STOP_RETRY).await;
        left = Duration::ZERO;
    }
}

/// Between two attempts to stop a container that the runtime would not stop.
const STOP_RETRY: Duration = Duration::from_secs(1);
