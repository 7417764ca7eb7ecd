//! What a worker is asked for: always the latest, never a queue.

use crate::pod;
use crate::watches::Watched;
use k8s_openapi::api::core::v1::Pod;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What is wanted of a pod.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The object; the last one where it is gone.
    pub pod: Arc<Pod>,
    /// The object, file or URL is gone: the pod is to be stopped and cleaned up.
    pub removed: bool,
    /// The node ends it, at once: it takes more than it may. Reason and message of the status.
    pub evicted: Option<crate::status::Failure>,
    /// Objects that changed since the last look, with their new resourceVersions.
    pub changed_objects: Vec<(Watched, Option<String>)>,
}

/// Of pods that are evicted for their use of the disk: upstream overrides theirs by zero, and one is the least.
const EVICTION_GRACE_PERIOD_SECONDS: i64 = 1;

impl Desired {
    /// Whether the pod is to be stopped.
    pub fn ends(&self) -> bool {
        self.removed || self.evicted.is_some() || self.pod.metadata.deletion_timestamp.is_some()
    }

    /// What its containers get to end by themselves.
    pub fn grace_period_seconds(&self) -> i64 {
        let own = pod::grace_period_seconds(&self.pod);
        if self.evicted.is_some() { own.min(EVICTION_GRACE_PERIOD_SECONDS) } else { own }
    }

    /// Whether nothing of it is to stay.
    pub fn gone(&self) -> bool {
        self.removed || self.pod.metadata.deletion_timestamp.is_some()
    }
}

/// The worker's end is [`Inbox::take`] and [`Inbox::changed`]; all others post.
#[derive(Debug)]
pub struct Inbox {
    desired: Mutex<Desired>,
    notify: Notify,
}

impl Inbox {
    /// An inbox that asks for `pod`.
    pub fn new(pod: Arc<Pod>) -> Self {
        let desired = Desired { pod, removed: false, evicted: None, changed_objects: Vec::new() };
        Self { desired: Mutex::new(desired), notify: Notify::new() }
    }

    /// The object has changed.
    pub fn update(&self, pod: Arc<Pod>) {
        self.change(|desired| desired.pod = pod);
    }

    /// The object is gone.
    pub fn remove(&self) {
        self.change(|desired| desired.removed = true);
    }

    /// The node has to end the pod.
    pub fn evict(&self, failure: crate::status::Failure) {
        self.change(|desired| desired.evicted = Some(failure));
    }

    /// An object that the pod uses has changed.
    pub fn object_changed(&self, object: Watched, resource_version: Option<String>) {
        self.change(|desired| desired.changed_objects.push((object, resource_version)));
    }

    /// Something happened on the node: look.
    pub fn wake(&self) {
        self.notify.notify_one();
    }

    /// What is asked for now.
    pub fn take(&self) -> Desired {
        let mut desired = self.desired.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = desired.clone();
        desired.changed_objects.clear();
        taken
    }

    /// What is asked for now, without taking the changed objects.
    pub fn peek(&self) -> Desired {
        self.desired.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves when something was posted since the last time.
    pub async fn changed(&self) {
        self.notify.notified().await;
    }

    fn change(&self, how: impl FnOnce(&mut Desired)) {
        how(&mut self.desired.lock().unwrap_or_else(PoisonError::into_inner));
        self.notify.notify_one();
    }
}
