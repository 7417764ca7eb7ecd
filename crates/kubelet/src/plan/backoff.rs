//! How long an ended container waits before it starts again: at once, then 10, 20, 40 … 300 s after its end; forgotten
//! after ten minutes of running. Pure.

use runtime::service::{ContainerState, ContainerStatus};
use std::collections::BTreeMap;
use std::time::Duration;

/// The first delay that is not zero.
pub const INITIAL_DELAY: Duration = Duration::from_secs(10);
/// No delay is longer.
pub const MAX_DELAY: Duration = Duration::from_secs(300);
/// A container that ran this long is no longer held to be crashing.
pub const RESET_AFTER: Duration = Duration::from_secs(600);

/// The delays of one pod's containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backoff {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// The instance that the delay was computed for.
    attempt: u32,
    delay: Duration,
}

impl Backoff {
    /// Takes note of an ended instance; of one instance only once. A kubelet that has just started derives the delay
    /// from the number of restarts, so that a crash loop does not begin anew.
    pub fn observe(&mut self, container: &ContainerStatus) {
        if !matches!(container.state, ContainerState::Exited | ContainerState::Unknown) {
            return;
        }
        let attempt = container.metadata.attempt;
        let name = &container.metadata.name;
        let before = match self.entries.get(name) {
            Some(entry) if entry.attempt == attempt => return,
            Some(entry) => Some(entry.delay),
            None => attempt.checked_sub(1).map(delay_of_attempt),
        };
        let delay = match before {
            _ if ran_long(container) => Duration::ZERO,
            None => Duration::ZERO,
            Some(before) => next(before),
        };
        self.entries.insert(name.clone(), Entry { attempt, delay });
    }

    /// How long after its end the newest instance of a container has to wait.
    pub fn delay(&self, name: &str) -> Duration {
        self.entries.get(name).map_or(Duration::ZERO, |entry| entry.delay)
    }

    /// Forgets a container: its definition has changed.
    pub fn forget(&mut self, name: &str) {
        self.entries.remove(name);
    }
}

fn next(delay: Duration) -> Duration {
    if delay.is_zero() { INITIAL_DELAY } else { (delay * 2).min(MAX_DELAY) }
}

/// The delay after instance `attempt` if all before it crashed: 0, 10, 20, 40 … 300 s.
fn delay_of_attempt(attempt: u32) -> Duration {
    (0..attempt.min(16)).fold(Duration::ZERO, |delay, _| next(delay))
}

fn ran_long(container: &ContainerStatus) -> bool {
    let (Some(started), Some(finished)) = (container.started_at, container.finished_at) else { return false };
    Duration::try_from(finished.duration_since(started)).is_ok_and(|ran| ran >= RESET_AFTER)
}
