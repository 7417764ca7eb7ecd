//! Grants of all pods of the node, and the resizes that wait for room: who comes first, and who is told.
//!
//! Mirrors upstream's allocation manager. No checkpoint: what was applied stands in the runtime's records, and a grant that
//! was not applied yet is asked for again after a restart.

use super::{Allocation, Pending, fits};
use crate::amount::Milli;
use crate::pod::{self, PodUid};
use crate::resources::{self, Amounts, QosClass};
use crate::worker::Inbox;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a worker has to know of its pod's grant.
#[derive(Debug, Clone)]
pub struct View {
    /// The pod as granted.
    pub pod: Arc<Pod>,
    /// A resize that is not granted.
    pub pending: Option<Pending>,
    /// The generation of the newest resize that was granted since the worker began.
    pub granted: Option<i64>,
}

#[derive(Debug)]
struct Entry {
    inbox: Arc<Inbox>,
    desired: Arc<Pod>,
    allocation: Allocation,
    /// Nothing of it will run again: it holds no room.
    over: bool,
    pending: Option<Pending>,
    granted: Option<i64>,
}

impl Entry {
    fn granted_pod(&self) -> Arc<Pod> {
        self.allocation.onto(&self.desired)
    }

    /// What no source wants any more gives its place up, as upstream's pod manager forgets it: an edited static pod of the host
    /// network asks for the very ports that its predecessor still has.
    fn holds_room(&self) -> bool {
        !self.over && !self.inbox.peek().removed
    }

    fn waits(&self) -> bool {
        self.holds_room() && !self.allocation.same(&Allocation::of(&self.desired))
    }

    /// Upstream's order: what needs no more than before, then priority, then class, then the longest wait.
    fn rank(&self) -> (bool, Reverse<i32>, bool, Timestamp) {
        let (before, after) =
            (resources::effective_requests(&self.granted_pod()), resources::effective_requests(&self.desired));
        let amount = |of: &Amounts, name: &str| of.get(name).copied().unwrap_or(Milli(0));
        let increases = ["cpu", "memory"].iter().any(|name| amount(&after, name) > amount(&before, name));
        let priority = pod::spec(&self.desired).priority.unwrap_or(0);
        let burstable = resources::qos_class(&self.desired) != QosClass::Guaranteed;
        (increases, Reverse(priority), burstable, self.pending.as_ref().map_or(Timestamp::MAX, |p| p.since))
    }
}

/// The grants. Bounded by the pods that have workers.
#[derive(Debug, Default)]
pub struct AllocationManager {
    entries: Mutex<BTreeMap<PodUid, Entry>>,
    deciding: Mutex<()>,
}

impl AllocationManager {
    /// While this is held nobody is granted anything: for who looks at the room and then takes it.
    pub fn decide(&self) -> MutexGuard<'_, ()> {
        self.deciding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pod that the node has taken, with what it asks for.
    pub fn insert(&self, pod: &Arc<Pod>, inbox: Arc<Inbox>) {
        let allocation = Allocation::of(pod);
        let over = pod::is_terminal_phase(pod);
        let entry = Entry { inbox, desired: pod.clone(), allocation, over, pending: None, granted: None };
        self.entries().insert(pod::uid(pod), entry);
    }

    /// What a pod was found to run with, from a kubelet before this one.
    pub fn adopt(&self, uid: &PodUid, allocation: Allocation) {
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.allocation = allocation;
        }
    }

    /// Asks for what the object says now, and answers what is granted.
    pub fn request(&self, desired: &Arc<Pod>, allocatable: &Amounts, now: Timestamp) -> View {
        let uid = pod::uid(desired);
        let waits = match self.entries().get_mut(&uid) {
            Some(entry) => {
                if !Arc::ptr_eq(&entry.desired, desired) {
                    entry.desired = desired.clone();
                }
                let waits = entry.waits();
                if !waits {
                    entry.pending = None;
                }
                waits
            }
            None => false,
        };
        if waits {
            self.retry(allocatable, now);
        }
        match self.entries().get(&uid) {
            Some(entry) => View { pod: entry.granted_pod(), pending: entry.pending.clone(), granted: entry.granted },
            None => View { pod: desired.clone(), pending: None, granted: None },
        }
    }

    /// Grants what fits of what waits. Called whenever room may have come free.
    pub fn retry(&self, allocatable: &Amounts, now: Timestamp) {
        let _deciding = self.decide();
        let mut entries = self.entries();
        let mut waiting: Vec<PodUid> = entries.iter().filter(|(_, e)| e.waits()).map(|(uid, _)| uid.clone()).collect();
        if waiting.is_empty() {
            return;
        }
        waiting.sort_by_cached_key(|uid| entries[uid].rank());
        for uid in waiting {
            let other =
                |(id, entry): (&PodUid, &Entry)| (*id != uid && entry.holds_room()).then(|| entry.granted_pod());
            let others: Vec<Arc<Pod>> = entries.iter().filter_map(other).collect();
            let Some(entry) = entries.get_mut(&uid) else { continue };
            let generation = entry.desired.metadata.generation;
            let before = entry.pending.take();
            match fits(&entry.desired, &others, allocatable) {
                Ok(()) => {
                    entry.allocation = Allocation::of(&entry.desired);
                    entry.granted = Some(generation.unwrap_or_default());
                }
                Err((reason, message)) => {
                    let since = before.as_ref().map_or(now, |before| before.since);
                    entry.pending = Some(Pending { reason, message, generation, since });
                }
            }
            if entry.pending.is_none() || entry.pending != before {
                entry.inbox.wake();
            }
        }
    }

    /// Nothing of the pod will run again.
    pub fn over(&self, uid: &PodUid) {
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.over = true;
        }
    }

    /// The pod is gone from the node.
    pub fn remove(&self, uid: &PodUid) {
        self.entries().remove(uid);
    }

    /// The pods that hold room, as granted.
    pub fn active(&self) -> Vec<Arc<Pod>> {
        self.entries().values().filter(|entry| entry.holds_room()).map(Entry::granted_pod).collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<PodUid, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
