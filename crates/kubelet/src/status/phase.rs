//! The phase: a count of what init and app containers do (upstream's `getPhase`).

use super::Stage;
use crate::pod::{self, Role};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};

/// `status.phase`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers have started yet.
    Pending,
    /// At least one runs, or will again.
    Running,
    /// All have ended with exit code 0 and will not start again.
    Succeeded,
    /// All have ended, one with a failure, and will not start again.
    Failed,
}

impl Phase {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// What a container's status says, in the terms of the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    NeverRan,
    Running,
    /// Ended, perhaps waiting to start again.
    Ended {
        exit_code: i32,
        waiting: bool,
    },
}

fn seen(status: &ContainerStatus) -> Seen {
    let state = status.state.as_ref();
    if state.is_some_and(|s| s.running.is_some()) {
        return Seen::Running;
    }
    if let Some(terminated) = state.and_then(|s| s.terminated.as_ref()) {
        return Seen::Ended { exit_code: terminated.exit_code, waiting: false };
    }
    match status.last_state.as_ref().and_then(|s| s.terminated.as_ref()) {
        Some(terminated) => Seen::Ended { exit_code: terminated.exit_code, waiting: true },
        None => Seen::NeverRan,
    }
}

/// The phase of a pod whose containers have these statuses.
pub fn phase(pod: &Pod, init: &[ContainerStatus], app: &[ContainerStatus], stage: Stage) -> Phase {
    let spec_of = |name: &str| pod::init_containers(pod).iter().find(|c| c.name == name);
    let mut initializing = false;
    let mut sidecar_runs = false;
    let app_began = app.iter().any(|s| seen(s) != Seen::NeverRan);
    for (status, container) in init.iter().filter_map(|s| Some((s, spec_of(&s.name)?))) {
        if pod::is_sidecar(container) {
            sidecar_runs |= seen(status) == Seen::Running;
            initializing |= !app_began && status.started != Some(true);
            continue;
        }
        match seen(status) {
            Seen::Ended { exit_code: 0, .. } => {}
            Seen::Ended { exit_code, waiting: false } if !restarts(pod, Role::Init, container, exit_code) => {
                return Phase::Failed;
            }
            _ => initializing |= !app_began,
        }
    }
    let all: Vec<(Seen, &Container)> = app
        .iter()
        .filter_map(|s| Some((seen(s), pod::spec(pod).containers.iter().find(|c| c.name == s.name)?)))
        .collect();
    if initializing || all.iter().any(|(seen, _)| *seen == Seen::NeverRan) {
        return Phase::Pending;
    }
    let codes: Vec<(i32, &Container)> = all
        .iter()
        .filter_map(|(seen, c)| match seen {
            Seen::Ended { exit_code, .. } => Some((*exit_code, *c)),
            _ => None,
        })
        .collect();
    if codes.len() < all.len() {
        return Phase::Running;
    }
    let over = stage == Stage::Terminated || codes.iter().all(|(code, c)| !restarts(pod, Role::App, c, *code));
    if !over || (sidecar_runs && stage != Stage::Terminated) {
        return Phase::Running;
    }
    if codes.iter().all(|(code, _)| *code == 0) { Phase::Succeeded } else { Phase::Failed }
}

fn restarts(pod: &Pod, role: Role, container: &Container, exit_code: i32) -> bool {
    pod::restarts_after(pod, role, container, exit_code)
}
