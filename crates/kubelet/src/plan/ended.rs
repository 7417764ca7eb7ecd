//! A container that has ended: whether it starts again, and what it waits for until then. Pure. What not: how long its
//! back-off is (`backoff`).

use super::{BackingOff, PlanInput, PodActions, plan_start};
use crate::pod::Role;
use k8s_openapi::api::core::v1::Container;
use runtime::service::ContainerStatus;
use std::time::Duration;

/// How long RunContainerError is shown before CrashLoopBackOff takes its place, so that people and watches see why.
const START_ERROR_SHOWN: Duration = Duration::from_secs(2);

/// How long an instance that could not be started is left alone even without a back-off. A container that ran is told
/// of by `lastState` of the one that follows; of an instance that never ran nothing is left once the next has failed
/// too, and both fail within milliseconds: its status would not be seen. Upstream looks once a second.
const START_ERROR_PAUSE: Duration = Duration::from_millis(500);

/// Starts it again, or notes what it waits for.
pub(super) fn plan_ended(
    input: &PlanInput<'_>,
    role: Role,
    container: &Container,
    ended: &ContainerStatus,
    actions: &mut PodActions,
) {
    if !input.restarts(role, container, ended) {
        return;
    }
    let replaced = input.replaced.contains(&ended.id);
    let delay = if replaced { Duration::ZERO } else { input.backoff.delay(&container.name) };
    let not_started_at = ended.finished_at.filter(|_| ended.started_at.is_none());
    let until = ended.finished_at.unwrap_or(ended.created_at) + delay;
    if !delay.is_zero() && until > input.now {
        let announce_at = not_started_at.map(|t| t + START_ERROR_SHOWN).filter(|at| *at > input.now);
        actions.wake(announce_at.unwrap_or(until));
        let name = container.name.clone();
        let (instance, announce) = (ended.id.clone(), announce_at.is_none());
        actions.backing_off.push(BackingOff { name, role, instance, delay, until, announce });
        return;
    }
    match not_started_at.map(|t| t + START_ERROR_PAUSE).filter(|at| !replaced && *at > input.now) {
        Some(paused_until) => actions.wake(paused_until),
        None => plan_start(input, role, &container.name, actions),
    }
}
