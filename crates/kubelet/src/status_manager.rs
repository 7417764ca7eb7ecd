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
    state: Mutex<State>,
    queue: WorkQueue<PodUid>,
    /// An answer of the API server came.
    answered: Notify,
}

/// Bounded by the pods of the node, and their objects.
#[derive(Debug, Default)]
struct State {
    entries: HashMap<PodUid, Entry>,
    /// The node's objects, as the watch has told of them: in the order in which they were written, which answers to
    /// requests do not keep.
    objects: HashMap<FullName, Arc<Pod>>,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<Pod>,
    /// What is wanted, as it is sent.
    status: Value,
    typed: PodStatus,
    /// What the API server took last.
    taken: Option<Value>,
    /// The object as the API server answered last: it may be ahead of the watch.
    answer: Option<Target>,
    /// All is over and cleaned up: the object may go.
    reclaimed: bool,
}

/// The object that a status goes to, and what it is known to have.
#[derive(Debug, Clone)]
struct Target {
    uid: String,
    resource_version: u64,
    status: Value,
}

impl Target {
    fn of(pod: &Pod) -> Self {
        let status = serde_json::to_value(&pod.status).unwrap_or_default();
        Self { uid: pod::uid(pod).0, resource_version: resource_version(pod), status }
    }
}

fn resource_version(pod: &Pod) -> u64 {
    pod.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Whether `object` is the API's picture of `pod`. The mirror of the manifest before an edit has the same name.
fn shows(object: &Pod, pod: &Pod) -> bool {
    if pod::is_static(pod) {
        let manifest = pod::annotation(object, pod::CONFIG_MIRROR);
        manifest.is_some() && manifest == pod::annotation(pod, pod::CONFIG_HASH)
    } else {
        pod::uid(object) == pod::uid(pod)
    }
}

impl State {
    /// Where the pod's status goes; `None` for a static pod without its mirror.
    fn target(&self, entry: &Entry) -> Option<Target> {
        let object = self.objects.get(&pod::full_name(&entry.pod)).filter(|object| shows(object, &entry.pod));
        let shown = match object {
            Some(object) => Target::of(object),
            None if pod::is_static(&entry.pod) => return None,
            None => Target::of(&entry.pod),
        };
        let ahead = |answer: &&Target| answer.uid == shown.uid && answer.resource_version > shown.resource_version;
        Some(entry.answer.as_ref().filter(ahead).cloned().unwrap_or(shown))
    }

    fn entry(&mut self, pod: &Arc<Pod>) -> &mut Entry {
        self.entries.entry(pod::uid(pod)).or_insert_with(|| Entry {
            pod: pod.clone(),
            status: Value::Null,
            typed: pod.status.clone().unwrap_or_default(),
            taken: None,
            answer: None,
            reclaimed: false,
        })
    }
}

impl StatusManager {
    /// A manager with nothing in it.
    pub fn new(clock: SharedClock) -> Self {
        let queue = WorkQueue::with_backoff(clock, RETRY);
        Self { state: Mutex::default(), queue, answered: Notify::new() }
    }

    /// The status that was set last.
    pub fn get(&self, uid: &PodUid) -> Option<PodStatus> {
        self.state().entries.get(uid).map(|entry| entry.typed.clone())
    }

    /// The status that was set last, else what the API shows of the pod: of a static pod what a kubelet before this one
    /// has written on the mirror, and where there is nothing of that, what `pod` came with.
    pub fn known(&self, pod: &Pod) -> PodStatus {
        let state = self.state();
        if let Some(entry) = state.entries.get(&pod::uid(pod)) {
            return entry.typed.clone();
        }
        let object = state.objects.get(&pod::full_name(pod)).filter(|object| shows(object, pod));
        object.map_or(pod, |object| object).status.clone().unwrap_or_default()
    }

    /// Sets the status of a pod; sent only if it differs from what the API server has.
    pub fn set(&self, pod: &Arc<Pod>, status: PodStatus) {
        let mut value = serde_json::to_value(&status).unwrap_or_default();
        without_probe_times(&mut value);
        let mut state = self.state();
        let entry = state.entry(pod);
        let changed = entry.status != value;
        entry.pod = pod.clone();
        entry.status = value;
        entry.typed = status;
        drop(state);
        if changed {
            self.queue.add(pod::uid(pod));
        }
    }

    /// Resolves when the API server has the status that was set last, or there is nobody to send it to.
    pub async fn delivered(&self, uid: &PodUid) {
        loop {
            let answered = self.answered.notified();
            futures::pin_mut!(answered);
            answered.as_mut().enable();
            let over = {
                let state = self.state();
                let delivered =
                    |entry: &Entry| entry.taken.as_ref() == Some(&entry.status) || state.target(entry).is_none();
                state.entries.get(uid).is_none_or(delivered)
            };
            if over {
                return;
            }
            answered.await;
        }
    }

    /// All of the pod is gone from this node: its object may go too, after its last status is sent.
    pub fn reclaimed(&self, pod: &Arc<Pod>) {
        let mut state = self.state();
        let entry = state.entry(pod);
        entry.reclaimed = true;
        entry.pod = pod.clone();
        drop(state);
        self.queue.add(pod::uid(pod));
    }

    /// Forgets a pod that is no more.
    pub fn forget(&self, uid: &PodUid) {
        self.state().entries.remove(uid);
        self.answered.notify_waiters();
    }

    /// Takes note of what the watch shows, whoever wrote it; what differs from what is wanted is sent again.
    pub fn observe(&self, object: &Arc<Pod>) {
        let mut state = self.state();
        let before = state.objects.insert(pod::full_name(object), object.clone());
        // a server that was put back to an earlier day counts anew from there
        let back = before.is_some_and(|before| resource_version(&before) > resource_version(object));
        let uid = if pod::is_mirror(object) {
            let mine = |entry: &Entry| pod::is_static(&entry.pod) && shows(object, &entry.pod);
            let name = pod::full_name(object);
            let mut entries = state.entries.iter();
            entries.find(|(_, entry)| mine(entry) && pod::full_name(&entry.pod) == name).map(|(uid, _)| uid.clone())
        } else {
            Some(pod::uid(object))
        };
        let Some(entry) = uid.as_ref().and_then(|uid| state.entries.get_mut(uid)) else { return };
        if back {
            entry.answer = None;
        }
        drop(state);
        if let Some(uid) = uid {
            self.queue.add(uid);
        }
    }

    /// There is no object of this name any more. The status of a static pod waits for the next mirror.
    pub fn object_gone(&self, name: &FullName) {
        self.state().objects.remove(name);
        self.answered.notify_waiters();
    }

    /// The names of all mirror pods.
    pub fn mirror_names(&self) -> Vec<FullName> {
        self.state().objects.iter().filter(|(_, pod)| pod::is_mirror(pod)).map(|(name, _)| name.clone()).collect()
    }

    /// Sends until `shutdown`.
    pub async fn run(&self, api: Arc<dyn KubeletApi>, shutdown: Shutdown) {
        run_workers("pod-status", &self.queue, WORKERS, &shutdown, |uid| self.send(&*api, uid)).await;
    }

    async fn send(&self, api: &dyn KubeletApi, uid: PodUid) -> Result<Outcome, client::Error> {
        let Some(Delivery { name, target, wanted, pod, reclaimed }) = self.delivery(&uid) else {
            return Ok(Outcome::Done);
        };
        match patch_of(&target.status, &wanted) {
            Some(patch) => {
                let body = json!({"metadata": {"uid": target.uid}, "status": patch});
                let step = step!("kubelet: status patch", &pod);
                match api.patch_pod_status(&name, &body).instrument(step).await {
                    Ok(answer) => self.taken(&uid, wanted, Some(&answer)),
                    Err(error) if error.is_not_found() => return Ok(self.lost(&pod)),
                    // another object has the name, or too many write to this one at a time
                    Err(error) if error.is_conflict() => {
                        let now = api.get_pod(&name).await?;
                        let same = now.is_some_and(|now| pod::uid(&now).0 == target.uid);
                        return if same { Err(error) } else { Ok(self.lost(&pod)) };
                    }
                    Err(error) => return Err(error),
                }
            }
            None => self.taken(&uid, wanted, None),
        }
        if reclaimed && !pod::is_static(&pod) {
            match api.delete_pod(&name, &uid.0).await {
                Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error),
                _ => self.forget(&uid),
            }
        }
        Ok(Outcome::Done)
    }

    /// The object that a status was for is no more. A static pod goes on without its mirror: the watch will tell of the
    /// next one, and until it has told that this one is gone, it is tried again.
    fn lost(&self, pod: &Pod) -> Outcome {
        if pod::is_static(pod) {
            return Outcome::RequeueAfter(RETRY.max);
        }
        self.forget(&pod::uid(pod));
        Outcome::Done
    }

    fn delivery(&self, uid: &PodUid) -> Option<Delivery> {
        let state = self.state();
        let entry = state.entries.get(uid)?;
        let target = state.target(entry)?;
        let (wanted, pod) = (entry.status.clone(), entry.pod.clone());
        Some(Delivery { name: pod::full_name(&pod), target, wanted, pod, reclaimed: entry.reclaimed })
    }

    fn taken(&self, uid: &PodUid, status: Value, answer: Option<&Pod>) {
        if let Some(entry) = self.state().entries.get_mut(uid) {
            entry.taken = Some(status);
            entry.answer = answer.map(Target::of).or(entry.answer.take());
        }
        self.answered.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One status on its way.
struct Delivery {
    name: FullName,
    target: Target,
    wanted: Value,
    pod: Arc<Pod>,
    reclaimed: bool,
}

/// The kubelet does not say when it probed last.
fn without_probe_times(status: &mut Value) {
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            condition.remove("lastProbeTime");
        }
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
    without_probe_times(&mut known);
    without_probe_times(&mut wanted);
    status_patch(&known, &wanted)
}

#[cfg(test)]
mod tests;
