//! Sends pod statuses to the API server: one patch per change, the latest status of a pod only, in order, with retries;
//! and takes a pod's object away once everything of it is gone.
//!
//! What not: it does not compute statuses.

use crate::api_access::KubeletApi;
use crate::pod::{self, FullName, PodUid};
use crate::status::patch::status_patch;
use crate::step::step;
use client::{Backoff, Outcome, Shutdown, WorkQueue, run_workers};
use clock::SharedClock;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tracing::Instrument;

/// Patches in flight at one time; the API server commits them in groups.
const WORKERS: usize = 16;
/// While the API server is away: quick at first, then every ten seconds.
const RETRY: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(10) };

/// Keeps the statuses of all pods of this node.
#[derive(Debug)]
pub struct StatusManager {
    entries: Mutex<HashMap<PodUid, Entry>>,
    /// Mirror pods by name, for static pods.
    mirrors: Mutex<HashMap<FullName, Target>>,
    queue: WorkQueue<PodUid>,
    /// An answer of the API server came.
    answered: Notify,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<Pod>,
    /// What is wanted, as it is sent.
    status: Value,
    typed: PodStatus,
    /// What the API server took last.
    taken: Option<Value>,
    /// What the API server has of a pod that is not static.
    known: Option<Target>,
    /// All is over and cleaned up: the object may go.
    reclaimed: bool,
}

/// The object that a status goes to, and what it is known to have.
#[derive(Debug, Clone)]
struct Target {
    uid: String,
    resource_version: u64,
    status: Value,
    /// Of a mirror: the hash of the manifest that it shows.
    manifest: Option<String>,
}

impl Target {
    fn of(pod: &Pod) -> Self {
        Self {
            uid: pod::uid(pod).0,
            resource_version: pod.metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0),
            status: serde_json::to_value(&pod.status).unwrap_or_default(),
            manifest: pod::annotation(pod, pod::CONFIG_MIRROR).map(str::to_owned),
        }
    }

    /// Whether this is the mirror of a static pod: the one before an edit of the manifest has the same name.
    fn mirrors(&self, pod: &Pod) -> bool {
        self.manifest.as_deref() == pod::annotation(pod, pod::CONFIG_HASH)
    }
}

impl StatusManager {
    /// A manager with nothing in it.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            entries: Mutex::default(),
            mirrors: Mutex::default(),
            queue: WorkQueue::with_backoff(clock, RETRY),
            answered: Notify::new(),
        }
    }

    /// The status that was set last.
    pub fn get(&self, uid: &PodUid) -> Option<PodStatus> {
        self.entries().get(uid).map(|entry| entry.typed.clone())
    }

    /// Sets the status of a pod; sent only if it differs from what the API server has.
    pub fn set(&self, pod: &Arc<Pod>, status: PodStatus) {
        let uid = pod::uid(pod);
        let mut value = serde_json::to_value(&status).unwrap_or_default();
        for condition in value.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(condition) = condition.as_object_mut() {
                condition.remove("lastProbeTime");
            }
        }
        let mut entries = self.entries();
        let changed = match entries.get_mut(&uid) {
            Some(entry) => {
                let changed = entry.status != value;
                entry.pod = pod.clone();
                entry.status = value;
                entry.typed = status;
                changed
            }
            None => {
                let known = (!pod::is_static(pod)).then(|| Target::of(pod));
                let entry =
                    Entry { pod: pod.clone(), status: value, typed: status, taken: None, known, reclaimed: false };
                entries.insert(uid.clone(), entry);
                true
            }
        };
        drop(entries);
        if changed {
            self.queue.add(uid);
        }
    }

    /// Resolves when the API server has taken the status that was set last, or there is nobody to send it to.
    pub async fn delivered(&self, uid: &PodUid) {
        loop {
            let answered = self.answered.notified();
            futures::pin_mut!(answered);
            answered.as_mut().enable();
            let taken = self.entries().get(uid).is_none_or(|entry| entry.taken.as_ref() == Some(&entry.status));
            if taken || self.to_send(uid).is_none() {
                return;
            }
            answered.await;
        }
    }

    /// All of the pod is gone from this node: its object may go too, after its last status is sent.
    pub fn reclaimed(&self, pod: &Arc<Pod>) {
        let uid = pod::uid(pod);
        let mut entries = self.entries();
        let entry = entries.entry(uid.clone()).or_insert_with(|| Entry {
            pod: pod.clone(),
            status: Value::Null,
            typed: pod.status.clone().unwrap_or_default(),
            taken: None,
            known: (!pod::is_static(pod)).then(|| Target::of(pod)),
            reclaimed: true,
        });
        entry.reclaimed = true;
        entry.pod = pod.clone();
        drop(entries);
        self.queue.add(uid);
    }

    /// Forgets a pod whose object is gone.
    pub fn forget(&self, uid: &PodUid) {
        self.entries().remove(uid);
    }

    /// Takes note of what the API server has, whoever wrote it; what differs from what is wanted is sent again.
    pub fn observe(&self, pod: &Pod) {
        let target = Target::of(pod);
        if pod::is_mirror(pod) {
            let name = pod::full_name(pod);
            // first known, then looked for: a status that is set meanwhile finds it
            self.mirrors().insert(name.clone(), target.clone());
            let mine = |entry: &Entry| pod::full_name(&entry.pod) == name && target.mirrors(&entry.pod);
            let mine = self.entries().iter().find(|(_, entry)| mine(entry)).map(|(uid, _)| uid.clone());
            if let Some(uid) = mine {
                self.queue.add(uid);
            }
            return;
        }
        let uid = pod::uid(pod);
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&uid) else { return };
        if entry.known.as_ref().is_some_and(|known| known.resource_version >= target.resource_version) {
            return;
        }
        let differs = patch_of(&target.status, &entry.status).is_some();
        entry.known = Some(target);
        drop(entries);
        if differs {
            self.queue.add(uid);
        }
    }

    /// The names of all mirror pods.
    pub fn mirror_names(&self) -> Vec<FullName> {
        self.mirrors().keys().cloned().collect()
    }

    /// A mirror pod is gone.
    pub fn mirror_gone(&self, name: &FullName) {
        self.mirrors().remove(name);
    }

    /// Sends until `shutdown`.
    pub async fn run(&self, api: Arc<dyn KubeletApi>, shutdown: Shutdown) {
        run_workers("pod-status", &self.queue, WORKERS, &shutdown, |uid| self.send(&*api, uid)).await;
    }

    async fn send(&self, api: &dyn KubeletApi, uid: PodUid) -> Result<Outcome, client::Error> {
        let Some((name, target, wanted, pod, reclaimed)) = self.to_send(&uid) else { return Ok(Outcome::Done) };
        if let Some(patch) = patch_of(&target.status, &wanted) {
            let body = json!({"metadata": {"uid": target.uid}, "status": patch});
            let step = step!("kubelet: status patch", &pod);
            match api.patch_pod_status(&name, &body).instrument(step).await {
                Ok(answer) => self.sent(&uid, &answer, wanted),
                // the object is gone, or another one has its name
                Err(error) if error.is_not_found() || error.is_conflict() => {
                    self.lost(&uid, &name, &target);
                    return Ok(Outcome::Done);
                }
                Err(error) => return Err(error),
            }
        }
        if reclaimed && !pod::is_static(&pod) {
            match api.delete_pod(&name, &uid.0).await {
                Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error),
                _ => self.forget(&uid),
            }
        }
        Ok(Outcome::Done)
    }

    /// The object that a status was for is no more. A static pod goes on without its mirror, and its status waits for the
    /// next one.
    fn lost(&self, uid: &PodUid, name: &FullName, target: &Target) {
        if self.entries().get(uid).is_some_and(|entry| pod::is_static(&entry.pod)) {
            let mut mirrors = self.mirrors();
            if mirrors.get(name).is_some_and(|mirror| mirror.uid == target.uid) {
                mirrors.remove(name);
            }
        } else {
            self.forget(uid);
        }
        self.answered.notify_waiters();
    }

    fn to_send(&self, uid: &PodUid) -> Option<(FullName, Target, Value, Arc<Pod>, bool)> {
        let entries = self.entries();
        let entry = entries.get(uid)?;
        let name = pod::full_name(&entry.pod);
        let target = match &entry.known {
            Some(target) => target.clone(),
            None => {
                let mirrors = self.mirrors();
                mirrors.get(&name).filter(|target| target.mirrors(&entry.pod))?.clone()
            }
        };
        Some((name, target, entry.status.clone(), entry.pod.clone(), entry.reclaimed))
    }

    fn sent(&self, uid: &PodUid, answer: &Pod, taken: Value) {
        let target = Target::of(answer);
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.taken = Some(taken);
        }
        if pod::is_mirror(answer) {
            self.mirrors().insert(pod::full_name(answer), target);
        } else if let Some(entry) = self.entries().get_mut(uid) {
            entry.known = Some(target);
        }
        self.answered.notify_waiters();
    }

    /// Never while entries are taken after it: `to_send` holds both in the other order.
    fn mirrors(&self) -> MutexGuard<'_, HashMap<FullName, Target>> {
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<PodUid, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has to be sent; nothing for a status that was never computed.
fn patch_of(known: &Value, wanted: &Value) -> Option<Value> {
    if wanted.is_null() {
        return None;
    }
    let mut known = if known.is_null() { json!({}) } else { known.clone() };
    let mut wanted = wanted.clone();
    // set by others, and kept
    for field in ["nominatedNodeName", "resourceClaimStatuses", "resize"] {
        if let (Some(known), Some(wanted)) = (known.as_object_mut(), wanted.as_object_mut()) {
            known.remove(field);
            wanted.remove(field);
        }
    }
    for status in [&mut known, &mut wanted] {
        for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(condition) = condition.as_object_mut() {
                condition.remove("lastProbeTime");
            }
        }
    }
    status_patch(&known, &wanted)
}

#[cfg(test)]
mod tests;
