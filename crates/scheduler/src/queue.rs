//! Pods that wait for a decision: active (now), backing off (soon), unschedulable (when an event helps), gated.
//!
//! ```text
//!   add ----> active ----pop----> (being decided) ----unschedulable----> unschedulable
//!              ^   ^                                                      |        |
//!              |   +---- back-off over ---- backing off <---- event helps + 5 min --+
//!              +------------------------------- back-off is over already ----------+
//! ```

use crate::framework::ClusterEvent;
use crate::plugins;
use crate::pod::{PodInfo, PodUid};
use foldhash::HashMap;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Back-off after the first failed attempt (`podInitialBackoffSeconds`).
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// The longest (`podMaxBackoffSeconds`).
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// A pod is tried again after this even without an event (`podMaxInUnschedulablePodsDuration`): a detector of hints
/// that are too strict.
const FLUSH_AFTER: Duration = Duration::from_secs(300);

/// The order of the active queue: higher priority first, then by arrival.
type Rank = (Reverse<i32>, u64);

#[derive(Debug)]
struct Entry {
    pod: Arc<PodInfo>,
    attempts: u32,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Active(Rank),
    /// Popped: in the scheduler's hands.
    Deciding,
    BackingOff {
        until: Duration,
    },
    Unschedulable {
        since: Duration,
        plugins: BTreeSet<&'static str>,
    },
    Gated,
}

/// The queue. Times are of the monotonic clock, passed in.
#[derive(Debug, Default)]
pub struct SchedulingQueue {
    entries: HashMap<PodUid, Entry>,
    active: BTreeMap<Rank, PodUid>,
    backing_off: BTreeSet<(Duration, PodUid)>,
    unschedulable: BTreeSet<(Duration, PodUid)>,
    arrivals: u64,
}

impl SchedulingQueue {
    /// A pod came, or changed in a way that may matter: try it (again) now, or as soon as its back-off allows.
    pub fn add_or_update(&mut self, pod: Arc<PodInfo>, now: Duration) {
        let gated = pod.spec().scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
        let uid = pod.uid.clone();
        let Some(entry) = self.entries.get_mut(&uid) else {
            self.entries.insert(uid.clone(), Entry { pod, attempts: 0, place: Place::Gated });
            if !gated {
                self.activate(&uid);
            }
            return;
        };
        let changed = constraints_changed(&entry.pod, &pod);
        entry.pod = pod;
        match &entry.place {
            Place::Gated if !gated => self.activate(&uid),
            Place::Active(_) if gated => {
                self.detach(&uid);
                if let Some(entry) = self.entries.get_mut(&uid) {
                    entry.place = Place::Gated;
                }
            }
            Place::Unschedulable { .. } if changed => self.retry(&uid, now),
            Place::Active(_)
            | Place::Deciding
            | Place::BackingOff { .. }
            | Place::Unschedulable { .. }
            | Place::Gated => {}
        }
    }

    /// The pod is gone, or was placed.
    pub fn remove(&mut self, uid: &str) {
        self.detach(uid);
        self.entries.remove(uid);
    }

    /// Whether the queue knows the pod.
    pub fn contains(&self, uid: &str) -> bool {
        self.entries.contains_key(uid)
    }

    /// The next pod to decide about. It stays known until [`SchedulingQueue::remove`] or one of the `failed` calls.
    pub fn pop(&mut self, now: Duration) -> Option<Arc<PodInfo>> {
        self.release_due(now);
        let (_, uid) = self.active.pop_first()?;
        let entry = self.entries.get_mut(&uid)?;
        entry.attempts = entry.attempts.saturating_add(1);
        entry.place = Place::Deciding;
        Some(entry.pod.clone())
    }

    /// No node fits: wait for an event that one of `plugins` is helped by.
    pub fn unschedulable(&mut self, uid: &str, plugins: BTreeSet<&'static str>, now: Duration) {
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.place = Place::Unschedulable { since: now, plugins };
            self.unschedulable.insert((now, uid.to_owned()));
        }
    }

    /// Something went wrong that no cluster event will mend: try again after the back-off.
    pub fn back_off(&mut self, uid: &str, now: Duration) {
        if let Some(entry) = self.entries.get_mut(uid) {
            let until = now + backoff(entry.attempts);
            entry.place = Place::BackingOff { until };
            self.backing_off.insert((until, uid.to_owned()));
        }
    }

    /// Wakes the pods that `event` may help. Returns how many.
    pub fn on_event(&mut self, event: &ClusterEvent<'_>, now: Duration) -> usize {
        let helped: Vec<PodUid> = self
            .unschedulable
            .iter()
            .filter(|(_, uid)| {
                self.entries.get(uid).is_some_and(|entry| match &entry.place {
                    Place::Unschedulable { plugins, .. } => {
                        plugins.iter().any(|plugin| plugins::helped_by(plugin, &entry.pod, event))
                    }
                    _ => false,
                })
            })
            .map(|(_, uid)| uid.clone())
            .collect();
        helped.iter().for_each(|uid| self.retry(uid, now));
        helped.len()
    }

    /// When [`SchedulingQueue::pop`] may have something without anything else happening.
    pub fn next_deadline(&self) -> Option<Duration> {
        let flush = self.unschedulable.first().map(|(since, _)| *since + FLUSH_AFTER);
        let backoff = self.backing_off.first().map(|(until, _)| *until);
        flush.into_iter().chain(backoff).min()
    }

    /// How many pods are active.
    pub fn active_len(&self) -> usize {
        self.active.len()
    }

    fn release_due(&mut self, now: Duration) {
        while let Some((until, uid)) = self.backing_off.first().cloned() {
            if until > now {
                break;
            }
            self.activate(&uid);
        }
        while let Some((since, uid)) = self.unschedulable.first().cloned() {
            if since + FLUSH_AFTER > now {
                break;
            }
            self.activate(&uid);
        }
    }

    /// Out of unschedulable: to active if the back-off since the last attempt is over.
    fn retry(&mut self, uid: &str, now: Duration) {
        let Some(entry) = self.entries.get(uid) else { return };
        let Place::Unschedulable { since, .. } = &entry.place else { return };
        let until = *since + backoff(entry.attempts);
        if until <= now {
            self.activate(uid);
            return;
        }
        self.detach(uid);
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.place = Place::BackingOff { until };
            self.backing_off.insert((until, uid.to_owned()));
        }
    }

    fn activate(&mut self, uid: &str) {
        self.detach(uid);
        self.arrivals += 1;
        let Some(entry) = self.entries.get_mut(uid) else { return };
        let rank = (Reverse(entry.pod.priority), self.arrivals);
        entry.place = Place::Active(rank);
        self.active.insert(rank, uid.to_owned());
    }

    /// Takes the pod out of the ordered sets; its entry stays.
    fn detach(&mut self, uid: &str) {
        let Some(entry) = self.entries.get(uid) else { return };
        match &entry.place {
            Place::Active(rank) => {
                self.active.remove(rank);
            }
            Place::BackingOff { until } => {
                self.backing_off.remove(&(*until, uid.to_owned()));
            }
            Place::Unschedulable { since, .. } => {
                self.unschedulable.remove(&(*since, uid.to_owned()));
            }
            Place::Deciding | Place::Gated => {}
        }
    }
}

fn backoff(attempts: u32) -> Duration {
    client::Backoff { base: INITIAL_BACKOFF, max: MAX_BACKOFF }.delay(attempts.max(1))
}

/// Status updates, our own among them, must not wake a pod.
fn constraints_changed(old: &PodInfo, new: &PodInfo) -> bool {
    old.pod.spec != new.pod.spec || old.pod.metadata.labels != new.pod.metadata.labels
}

#[cfg(test)]
mod tests;
