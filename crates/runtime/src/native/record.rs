//! What the runtime keeps on disk about sandboxes and containers, and what it makes of it.

use crate::service::{
    ContainerConfig, ContainerId, ContainerState, ContainerStatus, ContainerUser, ExitReason, ImageId, NamespaceMode,
    PodSandboxConfig, PodSandboxStatus, RuntimeError, SandboxId, SandboxState, StartFailure,
};
use crate::shim::protocol::ContainerRun;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SandboxRecord {
    pub id: SandboxId,
    pub config: PodSandboxConfig,
    pub created_at: jiff::Timestamp,
    pub stopped: bool,
}

/// A container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ContainerRecord {
    pub id: ContainerId,
    pub sandbox_id: SandboxId,
    pub config: ContainerConfig,
    pub image_id: ImageId,
    pub image_ref: String,
    /// The image's full name; empty for an image that has none.
    #[serde(default)]
    pub image_name: String,
    pub created_at: jiff::Timestamp,
    pub log_path: PathBuf,
    pub stop_signal: String,
    pub user: ContainerUser,
    /// Layer directories in use, so that they are not collected.
    pub layers: Vec<String>,
    pub cgroup: String,
    /// How it ended, where the shim cannot say.
    pub end: Option<End>,
}

/// An end that no shim has reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// It never started.
    FailedStart { failure: StartFailure, at: jiff::Timestamp },
    /// Its shim was lost while it ran.
    Lost { at: jiff::Timestamp },
}

/// Where a container stands; the watch channel that others wait on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Starting,
    Running(ContainerRun),
    Exited(ContainerRun),
    Ended(End, Option<ContainerRun>),
}

impl Phase {
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Exited(_) | Self::Ended(..))
    }

    /// What records and the shim's file say after a restart.
    pub(super) fn of(record: &ContainerRecord, run: Option<ContainerRun>) -> Self {
        match (&record.end, run) {
            (_, Some(run)) if run.exit.is_some() => Self::Exited(run),
            (Some(end), run) => Self::Ended(end.clone(), run),
            (None, Some(run)) => Self::Running(run),
            (None, None) => Self::Created,
        }
    }
}

impl SandboxRecord {
    pub(super) fn status(&self, lost: bool, netns: PathBuf) -> PodSandboxStatus {
        let ready = !self.stopped && !lost;
        PodSandboxStatus {
            id: self.id.clone(),
            metadata: self.config.metadata.clone(),
            state: if ready { SandboxState::Ready } else { SandboxState::NotReady },
            created_at: self.created_at,
            netns_path: (self.config.network == NamespaceMode::Pod).then_some(netns),
            network: self.config.network,
            labels: self.config.labels.clone(),
            annotations: self.config.annotations.clone(),
            resources: self.config.resources.clone(),
        }
    }
}

impl ContainerRecord {
    pub(super) fn status(&self, phase: &Phase) -> ContainerStatus {
        let mut status = ContainerStatus {
            id: self.id.clone(),
            sandbox_id: self.sandbox_id.clone(),
            metadata: self.config.metadata.clone(),
            state: ContainerState::Created,
            created_at: self.created_at,
            started_at: None,
            finished_at: None,
            exit_code: 0,
            signal: None,
            reason: None,
            message: String::new(),
            image: self.image_name(),
            image_ref: self.image_ref.clone(),
            image_id: self.image_id.clone(),
            labels: self.config.labels.clone(),
            annotations: self.config.annotations.clone(),
            mounts: self.config.mounts.clone(),
            log_path: self.log_path.clone(),
            resources: self.config.resources.clone(),
            user: Some(self.user.clone()),
            stop_signal: self.stop_signal.clone(),
            pid: None,
        };
        match phase {
            Phase::Created | Phase::Starting => {}
            Phase::Running(run) => {
                status.state = ContainerState::Running;
                status.started_at = Some(run.started_at);
                status.pid = Some(run.pid);
            }
            Phase::Exited(run) => {
                status.state = ContainerState::Exited;
                status.started_at = Some(run.started_at);
                if let Some(exit) = &run.exit {
                    status.finished_at = Some(exit.at);
                    status.exit_code = exit.outcome.exit_code;
                    status.signal = exit.outcome.signal;
                    status.reason = Some(match exit.outcome.exit_code {
                        _ if exit.oom_killed => ExitReason::OOMKilled,
                        0 => ExitReason::Completed,
                        _ => ExitReason::Error,
                    });
                }
            }
            Phase::Ended(End::FailedStart { failure, at }, _) => {
                status.state = ContainerState::Exited;
                status.finished_at = Some(*at);
                status.exit_code = 128;
                status.reason = Some(ExitReason::StartError);
                status.message = failure.message.clone();
            }
            Phase::Ended(End::Lost { at }, run) => {
                status.state = ContainerState::Exited;
                status.started_at = run.as_ref().map(|run| run.started_at);
                status.finished_at = Some(*at);
                status.exit_code = 255;
                status.reason = Some(ExitReason::Unknown);
            }
        }
        status
    }

    /// The image's own name, as containerd reports it; what was asked for, where it has none.
    fn image_name(&self) -> String {
        let names = [&self.image_name, &self.config.user_specified_image, &self.config.image];
        names.into_iter().find(|name| !name.is_empty()).cloned().unwrap_or_default()
    }
}

/// Replaces a JSON file whole.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RuntimeError> {
    let bytes = serde_json::to_vec(value).map_err(std::io::Error::from);
    let written = bytes.and_then(|bytes| crate::replace::replace(path, &bytes));
    written.map_err(RuntimeError::io(format!("write {}", path.display())))
}

/// Whether a file could be read and makes no sense: a power cut came before it was on the disk, and so before anyone was told.
pub(super) fn is_broken(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
}

/// Reads a JSON file; `None` if it is missing.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> std::io::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
