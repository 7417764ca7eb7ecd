//! One container's status.

use super::{StatusInput, Waiting, whole_second};
use crate::pod::{self, Role};
use crate::resize;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    ContainerUser, LinuxContainerUser, ResourceRequirements, VolumeMountStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::service::{self, ExitReason};

/// What stands before the id in `containerID`.
pub const RUNTIME_NAME: &str = "pintle";

/// `pintle://<id>`.
pub fn container_id(id: &service::ContainerId) -> String {
    format!("{RUNTIME_NAME}://{id}")
}

/// The status of one container.
pub fn container_status(input: &StatusInput<'_>, role: Role, container: &Container) -> ContainerStatus {
    let mut instances = input.observed.instances(&container.name).filter(|c| !is_unstarted(c));
    let latest = instances.next();
    let previous = instances.next();
    let mut status = ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        image_id: String::new(),
        volume_mounts: volume_mounts(container),
        started: Some(false),
        state: Some(ContainerState::default()),
        last_state: Some(ContainerState::default()),
        ..ContainerStatus::default()
    };
    if role == Role::Ephemeral {
        // it has no probes that could say so
        status.started = None;
    }
    let waiting = input.waiting.get(&container.name);
    let Some(latest) = latest else {
        status.state = Some(ContainerState {
            waiting: Some(waiting.map_or_else(|| not_started(input), state_waiting)),
            ..ContainerState::default()
        });
        return status;
    };
    status.container_id = Some(container_id(&latest.id));
    status.image.clone_from(&latest.image);
    status.image_id.clone_from(&latest.image_ref);
    status.restart_count = i32::try_from(latest.metadata.attempt).unwrap_or(i32::MAX);
    status.user = latest.user.as_ref().map(user);
    status.resources = Some(shown_resources(container, latest));
    status.allocated_resources =
        container.resources.as_ref().and_then(|r| r.requests.clone()).filter(|r| !r.is_empty());
    let last = |c: &service::ContainerStatus| ContainerState {
        terminated: Some(terminated(input, c)),
        ..ContainerState::default()
    };
    match latest.state {
        service::ContainerState::Running => {
            let probes = input.probes.of(latest);
            let started_at = latest.started_at.map(|t| Time(whole_second(t)));
            status.state = Some(ContainerState {
                running: Some(ContainerStateRunning { started_at }),
                ..ContainerState::default()
            });
            status.started = (role != Role::Ephemeral).then_some(probes.started);
            status.ready = match role {
                Role::Init | Role::Ephemeral => false,
                Role::Sidecar | Role::App => probes.started && probes.ready,
            };
            status.last_state = Some(previous.map(last).unwrap_or_default());
        }
        _ => match waiting {
            Some(waiting) => {
                status.state =
                    Some(ContainerState { waiting: Some(state_waiting(waiting)), ..ContainerState::default() });
                status.last_state = Some(last(latest));
            }
            None => {
                status.state = Some(last(latest));
                status.last_state = Some(previous.map(last).unwrap_or_default());
                status.ready = role == Role::Init && latest.exit_code == 0;
            }
        },
    }
    status
}

/// Made but never started, and not because starting failed: as if it were not there.
fn is_unstarted(container: &service::ContainerStatus) -> bool {
    container.state == service::ContainerState::Created
}

fn not_started(input: &StatusInput<'_>) -> ContainerStateWaiting {
    let reason = if pod::init_containers(input.pod).is_empty() { "ContainerCreating" } else { "PodInitializing" };
    ContainerStateWaiting { reason: Some(reason.to_owned()), message: None }
}

fn state_waiting(waiting: &Waiting) -> ContainerStateWaiting {
    ContainerStateWaiting {
        reason: Some(waiting.reason.clone()),
        message: Some(waiting.message.clone()).filter(|m| !m.is_empty()),
    }
}

/// An instance that could not be started has `startedAt` at the epoch, as upstream's has.
fn terminated(input: &StatusInput<'_>, container: &service::ContainerStatus) -> ContainerStateTerminated {
    let message = input.messages.get(&container.id.0).cloned().unwrap_or_else(|| container.message.clone());
    ContainerStateTerminated {
        exit_code: container.exit_code,
        // upstream reports signals as exit codes of 128 and more only
        signal: None,
        reason: Some(container.reason.unwrap_or(default_reason(container.exit_code)).as_str().to_owned()),
        message: Some(message).filter(|m| !m.is_empty()),
        started_at: Some(Time(container.started_at.map_or(Timestamp::UNIX_EPOCH, whole_second))),
        finished_at: container.finished_at.map(|t| Time(whole_second(t))),
        container_id: Some(container_id(&container.id)),
    }
}

fn default_reason(exit_code: i32) -> ExitReason {
    if exit_code == 0 { ExitReason::Completed } else { ExitReason::Error }
}

fn user(user: &service::ContainerUser) -> ContainerUser {
    let groups: Vec<i64> = user.supplemental_groups.iter().map(|g| i64::from(*g)).collect();
    ContainerUser {
        linux: Some(LinuxContainerUser {
            uid: i64::from(user.uid),
            gid: i64::from(user.gid),
            supplemental_groups: (!groups.is_empty()).then_some(groups),
        }),
    }
}

/// What a running instance has; of one that is over, what the next one would get.
fn shown_resources(container: &Container, latest: &service::ContainerStatus) -> ResourceRequirements {
    let applied = resize::applied(latest).filter(|_| latest.state == service::ContainerState::Running);
    let own = applied.or_else(|| container.resources.clone()).unwrap_or_default();
    ResourceRequirements { claims: None, ..own }
}

fn volume_mounts(container: &Container) -> Option<Vec<VolumeMountStatus>> {
    let mounts: Vec<VolumeMountStatus> = container
        .volume_mounts
        .iter()
        .flatten()
        .map(|mount| {
            let read_only = mount.read_only == Some(true);
            VolumeMountStatus {
                name: mount.name.clone(),
                mount_path: mount.mount_path.clone(),
                read_only: read_only.then_some(true),
                recursive_read_only: read_only.then(|| match mount.recursive_read_only.as_deref() {
                    Some("Enabled") => "Enabled".to_owned(),
                    _ => "Disabled".to_owned(),
                }),
                ..VolumeMountStatus::default()
            }
        })
        .collect();
    (!mounts.is_empty()).then_some(mounts)
}
