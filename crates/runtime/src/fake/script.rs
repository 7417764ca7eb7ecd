//! What pretended containers do, and what was asked of them.

use crate::service::ContainerResources;
use crate::service::{ContainerId, SandboxId, StartFailure};
use std::time::Duration;

/// The life of one container instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Runs until stopped; obeys the stop signal with this exit code.
    Run {
        /// The code on the stop signal.
        exit_code_on_stop: i32,
    },
    /// Runs until stopped, and ignores the stop signal: only SIGKILL ends it (137).
    RunStubborn,
    /// Ends by itself.
    Exit {
        /// How long it runs.
        after: Duration,
        /// Its code.
        exit_code: i32,
    },
    /// Does not start.
    FailStart(StartFailure),
}

impl Default for Script {
    fn default() -> Self {
        Self::Run { exit_code_on_stop: 143 }
    }
}

/// One verb that was called, with what identifies its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// RunPodSandbox of this pod.
    RunPodSandbox(String),
    /// StopPodSandbox.
    StopPodSandbox(SandboxId),
    /// RemovePodSandbox.
    RemovePodSandbox(SandboxId),
    /// CreateContainer of this container name.
    CreateContainer(String),
    /// StartContainer of this container name.
    StartContainer(String),
    /// StopContainer with its time-out.
    StopContainer(String, Duration),
    /// RemoveContainer.
    RemoveContainer(ContainerId),
    /// PullImage of this reference.
    PullImage(String),
    /// UpdatePodSandboxResources with what changes.
    UpdatePodSandboxResources(ContainerResources),
    /// UpdateContainerResources of this container name, with what changes.
    UpdateContainerResources(String, ContainerResources),
    /// ReopenContainerLog.
    ReopenContainerLog(ContainerId),
    /// ExecSync of this command.
    ExecSync(Vec<String>),
}
