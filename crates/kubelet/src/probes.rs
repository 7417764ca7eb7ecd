//! Probes of a pod's running containers: one task per probe, results where the worker reads them.
//!
//! What not: lifecycle hooks; the worker runs them.

#[cfg(test)]
mod tests;

use crate::events::PodEvents;
use crate::hooks::{self, Endpoint, HandlerError, Purpose};
use crate::observed::{ProbeFailure, ProbeResult, ProbeResults};
use crate::pod::Role;
use crate::shared::Shared;
use crate::worker::Inbox;
use k8s_openapi::api::core::v1::{Container, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use runtime::service::ContainerId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The probes of one pod.
#[derive(Debug)]
pub(crate) struct Prober {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    results: Arc<Results>,
    tasks: BTreeMap<ContainerId, Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Results {
    by_id: Mutex<ProbeResults>,
    /// Told when a container has started: its other probes begin then.
    started: Notify,
}

/// Which of a container's probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Startup,
    Liveness,
    Readiness,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

/// One probe of one instance, with all that it needs.
struct Task {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    results: Arc<Results>,
    pod: Arc<Pod>,
    role: Role,
    container: Container,
    id: ContainerId,
    addresses: Vec<IpAddr>,
}

impl Prober {
    pub(crate) fn new(shared: Arc<Shared>, inbox: Arc<Inbox>) -> Self {
        Self { shared, inbox, results: Arc::default(), tasks: BTreeMap::new() }
    }

    /// What is known now.
    pub(crate) fn results(&self) -> ProbeResults {
        self.results.lock().clone()
    }

    /// An instance runs: begin. An instance that was running when the kubelet started is ready until a probe says
    /// otherwise.
    pub(crate) fn started(
        &mut self,
        pod: &Arc<Pod>,
        role: Role,
        container: &Container,
        id: &ContainerId,
        addresses: &[IpAddr],
    ) {
        self.begin(pod, role, container, id, addresses, true);
    }

    /// An instance of a kubelet before this one runs.
    pub(crate) fn adopted(
        &mut self,
        pod: &Arc<Pod>,
        role: Role,
        container: &Container,
        id: &ContainerId,
        addresses: &[IpAddr],
    ) {
        if !self.tasks.contains_key(id) {
            self.begin(pod, role, container, id, addresses, false);
        }
    }

    fn begin(
        &mut self,
        pod: &Arc<Pod>,
        role: Role,
        container: &Container,
        id: &ContainerId,
        addresses: &[IpAddr],
        fresh: bool,
    ) {
        let probed = [&container.startup_probe, &container.liveness_probe, &container.readiness_probe];
        if probed.iter().all(|p| p.is_none()) {
            self.tasks.insert(id.clone(), Vec::new());
            return;
        }
        let result = ProbeResult {
            started: !fresh || container.startup_probe.is_none(),
            ready: !fresh || container.readiness_probe.is_none(),
            failed: None,
        };
        self.results.lock().0.insert(id.0.clone(), result);
        let task = Arc::new(Task {
            shared: self.shared.clone(),
            inbox: self.inbox.clone(),
            results: self.results.clone(),
            pod: pod.clone(),
            role,
            container: container.clone(),
            id: id.clone(),
            addresses: addresses.to_vec(),
        });
        let mut tasks = Vec::new();
        if fresh {
            tasks.push(tokio::spawn(start_up(task.clone())));
        }
        for (kind, probe) in
            [(Kind::Liveness, &container.liveness_probe), (Kind::Readiness, &container.readiness_probe)]
        {
            if let Some(probe) = probe {
                tasks.push(tokio::spawn(watch(task.clone(), kind, probe.clone())));
            }
        }
        self.tasks.insert(id.clone(), tasks);
    }

    /// An instance is being stopped: its probes end, but for readiness.
    pub(crate) fn stopped(&mut self, id: &ContainerId) {
        self.tasks.remove(id).into_iter().flatten().for_each(|task| task.abort());
        self.tasks.insert(id.clone(), Vec::new());
    }

    /// The pod is being wound up: nothing is probed any more.
    pub(crate) fn terminate(&mut self) {
        for task in self.tasks.values().flatten() {
            task.abort();
        }
    }

    /// Ends the probes of instances that do not run any more.
    pub(crate) fn keep_only(&mut self, running: &BTreeSet<&ContainerId>) {
        self.tasks.retain(|id, tasks| {
            let keep = running.contains(id);
            if !keep {
                tasks.iter().for_each(JoinHandle::abort);
            }
            keep
        });
        self.results.lock().0.retain(|id, _| running.iter().any(|r| r.0 == *id));
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.terminate();
    }
}

impl Results {
    fn lock(&self) -> MutexGuard<'_, ProbeResults> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    fn change(&self, how: impl FnOnce(&mut ProbeResult)) {
        let mut results = self.results.lock();
        let Some(result) = results.0.get_mut(&self.id.0) else { return };
        let before = *result;
        how(result);
        let changed = *result != before;
        drop(results);
        if changed {
            self.results.started.notify_waiters();
            self.inbox.wake();
        }
    }

    fn events(&self) -> PodEvents<'_> {
        PodEvents { sink: &*self.shared.events, pod: &self.pod }
    }

    async fn wait_started(&self) {
        loop {
            let notified = self.results.started.notified();
            futures::pin_mut!(notified);
            notified.as_mut().enable();
            if self.results.lock().0.get(&self.id.0).is_none_or(|r| r.started) {
                return;
            }
            notified.await;
        }
    }
}

/// The startup probe; then the container has started.
async fn start_up(task: Arc<Task>) {
    match task.container.startup_probe.clone() {
        Some(probe) => watch(task, Kind::Startup, probe).await,
        None => task.change(|result| result.started = true),
    }
}

fn seconds(value: Option<i32>, default: i32) -> Duration {
    Duration::from_secs(u64::from(value.filter(|v| *v > 0).unwrap_or(default).unsigned_abs()))
}

/// Probes at its period until the result is final.
async fn watch(task: Arc<Task>, kind: Kind, probe: Probe) {
    if kind != Kind::Startup {
        task.wait_started().await;
    }
    let clock = task.shared.clock.clone();
    let initial = Duration::from_secs(u64::from(probe.initial_delay_seconds.unwrap_or(0).max(0).unsigned_abs()));
    clock.sleep(initial).await;
    let period = seconds(probe.period_seconds, 10);
    let failure_threshold = probe.failure_threshold.filter(|n| *n > 0).unwrap_or(3);
    let success_threshold = probe.success_threshold.filter(|n| *n > 0).unwrap_or(1);
    let (mut successes, mut failures) = (0, 0);
    loop {
        match attempt(&task, &probe).await {
            Ok(warning) => {
                if let Some(warning) = warning {
                    let text = format!("{} probe warning: {warning}", kind.as_str());
                    task.events().warning(task.role, &task.container, "ProbeWarning", &text);
                }
                (successes, failures) = (successes + 1, 0);
                if successes >= success_threshold {
                    task.change(|result| match kind {
                        Kind::Startup => result.started = true,
                        Kind::Liveness => {}
                        Kind::Readiness => result.ready = true,
                    });
                    if kind == Kind::Startup {
                        return;
                    }
                }
            }
            Err(error) if error.is_failure() => {
                (successes, failures) = (0, failures + 1);
                let text = format!("{} probe failed: {error}", kind.as_str());
                task.events().warning(task.role, &task.container, "Unhealthy", &text);
                if failures >= failure_threshold {
                    task.change(|result| match kind {
                        Kind::Startup => result.failed = Some(ProbeFailure::Startup),
                        Kind::Liveness => result.failed = Some(ProbeFailure::Liveness),
                        Kind::Readiness => result.ready = false,
                    });
                    if kind != Kind::Readiness {
                        return;
                    }
                }
            }
            Err(error) => {
                let text = format!("{} probe errored and resulted in unknown state: {error}", kind.as_str());
                task.events().warning(task.role, &task.container, "Unhealthy", &text);
            }
        }
        clock.sleep(period).await;
    }
}

/// How often a probe that could not be tried is tried anew, at once (`maxProbeRetries`).
const TRIES_MAX: usize = 3;
/// What the runtime may take beyond a command's own time to end it.
const EXEC_MARGIN: Duration = Duration::from_secs(1);

/// One attempt of a probe. What comes back on success is a warning.
async fn attempt(task: &Task, probe: &Probe) -> Result<Option<String>, HandlerError> {
    for _ in 1..TRIES_MAX {
        match once(task, probe).await {
            Err(error) if !error.is_failure() => {}
            done => return done,
        }
    }
    once(task, probe).await
}

async fn once(task: &Task, probe: &Probe) -> Result<Option<String>, HandlerError> {
    let limit = seconds(probe.timeout_seconds, 1);
    let clock = &*task.shared.clock;
    let endpoint = |host: Option<&str>, port: &IntOrString| Endpoint::new(&task.container, host, port, &task.addresses);
    if let Some(exec) = &probe.exec {
        let command = exec.command.clone().unwrap_or_default();
        let words = command.join(" ");
        let run = hooks::exec(&task.shared, &task.id, command, limit);
        return match clock::timeout(clock, limit + EXEC_MARGIN, run).await {
            Some(done) => done.map(|()| None),
            None => Err(HandlerError::CommandTimeout { command: words, timeout: limit }),
        };
    }
    if let Some(get) = &probe.http_get {
        let endpoint = endpoint(get.host.as_deref(), &get.port)?;
        return hooks::http_get(get, endpoint, Purpose::Probe, clock, Some(limit)).await;
    }
    if let Some(socket) = &probe.tcp_socket {
        let endpoint = endpoint(socket.host.as_deref(), &socket.port)?;
        return hooks::tcp(&endpoint, clock, limit).await.map(|()| None);
    }
    if let Some(grpc) = &probe.grpc {
        let endpoint = endpoint(None, &IntOrString::Int(grpc.port))?;
        let service = grpc.service.as_deref().unwrap_or_default();
        return hooks::grpc(&endpoint, service, clock, limit).await.map(|()| None);
    }
    Err(HandlerError::NotTried("missing probe handler".to_owned()))
}
