//! What the runtime has of one pod, in the order in which decisions need it. Pure.

use runtime::service::{ContainerState, ContainerStatus, PodSandboxStatus, SandboxState};
use std::collections::BTreeMap;

/// Sandboxes and containers of one pod as the runtime listed them.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Newest first.
    pub sandboxes: Vec<PodSandboxStatus>,
    /// Newest instance first.
    pub containers: Vec<ContainerStatus>,
}

impl Observed {
    /// Sorts what the runtime listed.
    pub fn new(mut sandboxes: Vec<PodSandboxStatus>, mut containers: Vec<ContainerStatus>) -> Self {
        sandboxes.sort_by_key(|s| std::cmp::Reverse((s.metadata.attempt, s.created_at)));
        containers.sort_by_key(|c| std::cmp::Reverse((c.metadata.attempt, c.created_at)));
        Self { sandboxes, containers }
    }

    /// The newest sandbox.
    pub fn sandbox(&self) -> Option<&PodSandboxStatus> {
        self.sandboxes.first()
    }

    /// The newest sandbox if it can hold containers.
    pub fn ready_sandbox(&self) -> Option<&PodSandboxStatus> {
        self.sandbox().filter(|s| s.state == SandboxState::Ready)
    }

    /// Instances of one container, newest first, of all sandboxes.
    pub fn instances<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ContainerStatus> + 'a {
        self.containers.iter().filter(move |c| c.metadata.name == name)
    }

    /// The newest instance of a container.
    pub fn latest(&self, name: &str) -> Option<&ContainerStatus> {
        self.containers.iter().find(|c| c.metadata.name == name)
    }

    /// The newest instance of a container in the newest sandbox.
    pub fn current(&self, name: &str) -> Option<&ContainerStatus> {
        let sandbox = self.sandbox()?;
        self.containers.iter().find(|c| c.metadata.name == name && c.sandbox_id == sandbox.id)
    }

    /// All that runs, or was created and may yet run.
    pub fn running(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.containers.iter().filter(|c| c.state == ContainerState::Running)
    }
}

/// What probes found out about a container's instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeResult {
    /// The startup probe has succeeded, or there is none, and postStart is done.
    pub started: bool,
    /// The readiness probe succeeds, or there is none.
    pub ready: bool,
    /// The liveness or startup probe has failed for good.
    pub failed: Option<ProbeFailure>,
}

/// Which probe says that the container must be restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeFailure {
    /// livenessProbe.
    Liveness,
    /// startupProbe.
    Startup,
}

impl ProbeFailure {
    /// As it stands in the Killing event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Liveness => "liveness",
            Self::Startup => "startup",
        }
    }
}

/// Results by container id. An instance that is not in it has no probes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeResults(pub BTreeMap<String, ProbeResult>);

impl ProbeResults {
    /// Of one instance.
    pub fn of(&self, container: &ContainerStatus) -> ProbeResult {
        let none = ProbeResult { started: true, ready: true, failed: None };
        self.0.get(&container.id.0).copied().unwrap_or(none)
    }
}
