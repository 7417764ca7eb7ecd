//! One look at a pod that is to run: volumes, then plan and act until nothing is left to do, then the status.

use super::Worker;
use super::references::VolumesError;
use super::resize::Resized;
use super::start::Started;
use crate::go_duration::go_duration;
use crate::log_rotation;
use crate::plan::{self, BackingOff, KillContainer, PlanInput, PodActions};
use crate::pod;
use crate::status::{Failure, Waiting};
use crate::step::step;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::service::{ContainerId, ContainerState};
use std::time::Duration;
use tracing::Instrument;

/// What comes after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing until something happens, or until then.
    Wait(Option<Timestamp>),
    /// The pod has run its course.
    Terminate,
}

/// Rounds of plan and act in one look. Each round starts or stops something; a pod has far fewer containers than this,
/// so that the bound is met only by a fault.
const ROUNDS_MAX: usize = 1000;

/// Upstream's words for a pod past its `activeDeadlineSeconds`.
const DEADLINE_MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

impl Worker {
    pub(super) async fn sync(&mut self) -> Next {
        if let Err(error) = self.observe().await {
            tracing::warn!(pod = %pod::format_pod(&self.pod), %error, "cannot list the pod's containers");
            return Next::Wait(Some(self.retry_at()));
        }
        if pod::is_terminal_phase(&self.pod) {
            // it was over before this kubelet started, or somebody else has ended it
            return Next::Terminate;
        }
        if self.deadline().is_some_and(|at| at <= self.shared.clock.now()) {
            self.events().pod_normal("DeadlineExceeded", DEADLINE_MESSAGE);
            self.failure =
                Some(Failure { reason: "DeadlineExceeded".to_owned(), message: DEADLINE_MESSAGE.to_owned() });
            return Next::Terminate;
        }
        if self.observed.sandboxes.is_empty() {
            // users see at once that the node has taken the pod
            self.publish_status();
        }
        let step = step!("kubelet: volumes", &self.pod);
        if let Err(error) = self.ensure_volumes().instrument(step).await {
            self.report_volumes(&error);
            self.publish_status();
            return Next::Wait(Some(self.retry_at()));
        }
        let step = step!("kubelet: plan and act", &self.pod);
        let result = self.act().instrument(step).await;
        match result {
            Acted::Finished => {
                // its containers' ends are told before it is wound up
                self.publish_status();
                Next::Terminate
            }
            Acted::Settled(wake_at) => {
                self.failures = 0;
                self.publish_status();
                let times = [wake_at, self.deadline(), self.token_refresh_at()];
                Next::Wait(times.into_iter().flatten().min())
            }
            Acted::NotAdopted => Next::Wait(Some(self.retry_at())),
            Acted::Failed => {
                self.publish_status();
                Next::Wait(Some(self.retry_at()))
            }
        }
    }

    /// When `activeDeadlineSeconds` are over.
    fn deadline(&self) -> Option<Timestamp> {
        let seconds = pod::spec(&self.pod).active_deadline_seconds?;
        let Time(started) = self.old_status().start_time?;
        Some(started + Duration::from_secs(seconds.unsigned_abs()))
    }

    fn report_volumes(&self, error: &VolumesError) {
        match error {
            VolumesError::SetUp(errors) => {
                for error in errors {
                    self.events().pod_warning("FailedMount", &error.to_string());
                }
            }
            other => {
                self.events().pod_warning("FailedMount", &other.to_string());
            }
        }
    }

    async fn act(&mut self) -> Acted {
        if let Err(error) = self.adopt_sandbox().await {
            // what runs in it goes on running: it is not made anew because the network is late
            tracing::warn!(pod = %pod::format_pod(&self.pod), %error, "cannot connect a sandbox that was there");
            return Acted::NotAdopted;
        }
        self.adopt_probes();
        for _ in 0..ROUNDS_MAX {
            // a pod that is to end, or to be another, is not built any further
            if self.inbox.peek().ends() {
                break;
            }
            let actions = self.plan();
            if actions.finished {
                return Acted::Finished;
            }
            match self.execute(&actions).await {
                Round::Again => {}
                Round::Settled => return Acted::Settled(actions.wake_at.into_iter().chain(self.held_until()).min()),
                Round::Failed => return Acted::Failed,
            }
            if let Err(error) = self.observe().await {
                tracing::warn!(pod = %pod::format_pod(&self.pod), %error, "cannot list the pod's containers");
                return Acted::Failed;
            }
        }
        Acted::Settled(Some(self.shared.clock.now()))
    }

    /// Containers that a kubelet before this one started are probed from now on.
    fn adopt_probes(&mut self) {
        let addresses = self.pod_addresses();
        for (role, container) in pod::containers(&self.pod) {
            let current = self.observed.current(&container.name);
            if let Some(running) = current.filter(|c| c.state == ContainerState::Running) {
                self.prober.adopted(&self.pod, role, &container, &running.id, &addresses);
            }
        }
    }

    fn held_until(&self) -> Option<Timestamp> {
        let now = self.shared.clock.now();
        self.held.values().chain(&self.resize.retry_at).filter(|until| **until > now).min().copied()
    }

    fn plan(&self) -> PodActions {
        let probes = self.prober.results();
        let mut actions = plan::compute_pod_actions(&PlanInput {
            pod: &self.pod,
            observed: &self.observed,
            sandbox_usable: self.sandbox_usable(),
            probes: &probes,
            backoff: &self.backoff,
            held: &self.held,
            replaced: &self.replaced,
            now: self.shared.clock.now(),
        });
        actions.kill.retain(|kill| !self.killing.contains(&kill.id));
        actions
    }

    async fn execute(&mut self, actions: &PodActions) -> Round {
        for id in &actions.remove {
            match self.shared.runtime.remove_container(id).await {
                Ok(()) => self.remove_log(id),
                Err(error) => tracing::debug!(container = %id, %error, "cannot remove an old instance"),
            }
        }
        for id in &actions.remove_sandboxes {
            if let Err(error) = self.shared.runtime.remove_pod_sandbox(id).await {
                tracing::debug!(sandbox = %id, %error, "cannot remove an old sandbox");
            }
        }
        if let Some(attempt) = actions.create_sandbox {
            return match self.create_sandbox(&actions.kill_sandboxes, attempt).await {
                Ok(()) => Round::Again,
                Err(error @ super::sandbox::SandboxError::NetworkNotReady(_)) => {
                    self.events().pod_warning("NetworkNotReady", &error.to_string());
                    Round::Failed
                }
                Err(error) => {
                    let message = format!("Failed to create pod sandbox: {error}");
                    self.events().pod_warning("FailedCreatePodSandBox", &message);
                    Round::Failed
                }
            };
        }
        for kill in &actions.kill {
            self.kill_one(kill);
        }
        for waiting in &actions.backing_off {
            self.announce_backoff(waiting);
        }
        let mut round = Round::Settled;
        // a container that is started anew finds room in the pod's cgroup
        if self.resize().await == Resized::Changed {
            round = Round::Again;
        }
        for start in &actions.start {
            if self.start_container(start).await == Started::Changed {
                round = Round::Again;
            }
        }
        round
    }

    /// The log of an instance goes with it, and the link to it.
    fn remove_log(&self, id: &ContainerId) {
        let Some(gone) = self.observed.containers.iter().find(|c| c.id == *id) else { return };
        // an instance that was made but never started has its number from the one that comes
        let attempt = gone.metadata.attempt;
        let mut others = self.observed.instances(&gone.metadata.name).filter(|c| c.id != *id);
        if !others.any(|other| other.metadata.attempt == attempt) && !gone.log_path.as_os_str().is_empty() {
            log_rotation::remove(&gone.log_path);
        }
        let link = self.shared.config.paths.log_link(&self.pod, &gone.metadata.name, &id.0);
        if let Err(error) = std::fs::remove_file(&link)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!(link = %link.display(), %error, "cannot remove the link to a log");
        }
    }

    /// Stops a container beside the worker; its end wakes the worker.
    fn kill_one(&mut self, kill: &KillContainer) {
        let Some((role, container)) = pod::container(&self.pod, &kill.name) else { return };
        self.events().normal(role, &container, "Killing", &kill.message);
        self.killing.insert(kill.id.clone());
        if !kill.probe_failed {
            self.backoff.forget(&kill.name);
            self.replaced.insert(kill.id.clone());
        }
        let own = kill.grace_period_seconds.filter(|_| self.pod.metadata.deletion_timestamp.is_none());
        let grace_seconds = own.unwrap_or_else(|| pod::grace_period_seconds(&self.pod));
        let grace = Duration::from_secs(grace_seconds.unsigned_abs());
        self.prober.stopped(&kill.id);
        let (shared, inbox, pod, id) = (self.shared.clone(), self.inbox.clone(), self.pod.clone(), kill.id.clone());
        let addresses = self.pod_addresses();
        tokio::spawn(async move {
            super::terminate::stop_one(&shared, &pod, Some(&container), role, &id, grace, &addresses).await;
            inbox.wake();
        });
    }

    fn announce_backoff(&mut self, waiting: &BackingOff) {
        if !waiting.announce {
            return;
        }
        let pod = self.pod.clone();
        let text = pod::format_pod(&pod);
        let message =
            format!("back-off {} restarting failed container={} pod={text}", go_duration(waiting.delay), waiting.name);
        let state = Waiting { reason: "CrashLoopBackOff".to_owned(), message };
        self.waiting.insert(waiting.name.clone(), state);
        if self.announced.insert(waiting.instance.clone())
            && let Some((role, container)) = pod::container(&pod, &waiting.name)
        {
            let message = format!("Back-off restarting failed container {} in pod {text}", waiting.name);
            self.events().warning(role, &container, "BackOff", &message);
        }
    }
}

enum Acted {
    Finished,
    Settled(Option<Timestamp>),
    Failed,
    NotAdopted,
}

enum Round {
    Again,
    Settled,
    Failed,
}
