//! All pods of this node and their workers: one worker per uid, and of static pods with one name one after the other.

use crate::pod::{self, FullName, PodUid};
use crate::shared::Shared;
use crate::status::Failure;
use crate::worker::{Desired, Inbox, Worker};
use k8s_openapi::api::core::v1::Pod;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Told of the name of each pod whose worker has come or gone.
type OnChange = Box<dyn Fn(&FullName) + Send + Sync>;

/// The workers. Bounded by the pods that the node admits, and those that it still winds up.
pub struct PodWorkers {
    shared: Arc<Shared>,
    state: Mutex<State>,
    on_change: OnChange,
}

#[derive(Debug, Default)]
struct State {
    workers: HashMap<PodUid, Arc<Inbox>>,
    /// Static pods that wait until the one of their name before them is gone; the latest counts.
    waiting: HashMap<FullName, Arc<Pod>>,
}

impl State {
    /// The static pods of this name that have workers, wherever those stand.
    fn static_pods_named<'a>(&'a self, name: &'a FullName) -> impl Iterator<Item = Desired> + 'a {
        let named = move |desired: &Desired| pod::is_static(&desired.pod) && pod::full_name(&desired.pod) == *name;
        self.workers.values().map(|inbox| inbox.peek()).filter(named)
    }
}

impl std::fmt::Debug for PodWorkers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PodWorkers")
    }
}

impl PodWorkers {
    /// No workers yet.
    pub fn new(shared: Arc<Shared>, on_change: impl Fn(&FullName) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { shared, state: Mutex::default(), on_change: Box::new(on_change) })
    }

    /// What is wanted of a pod now.
    pub fn get(&self, uid: &PodUid) -> Option<Desired> {
        self.state().workers.get(uid).map(|inbox| inbox.peek())
    }

    /// What is wanted of all pods now.
    pub fn all(&self) -> Vec<Desired> {
        self.state().workers.values().map(|inbox| inbox.peek()).collect()
    }

    /// The static pod with this name that runs; if there is none, one that is being wound up.
    pub fn static_pod(&self, name: &FullName) -> Option<Desired> {
        self.state().static_pods_named(name).min_by_key(|desired| desired.removed)
    }

    /// The static pods that run or wait to, and are not on their way out.
    pub fn static_pods(&self) -> Vec<Arc<Pod>> {
        let state = self.state();
        let running = state.workers.values().map(|inbox| inbox.peek()).filter(|d| !d.removed).map(|d| d.pod);
        let running = running.filter(|pod| pod::is_static(pod));
        running.chain(state.waiting.values().cloned()).collect()
    }

    /// Starts a worker for a new pod, or tells the one that it has of a change. A static pod waits until those of its
    /// name before it are gone, and if it is itself the one that is being wound up (its file was away for a moment), it
    /// begins anew after that.
    pub fn update(self: &Arc<Self>, pod: Arc<Pod>) {
        let name = pod::full_name(&pod);
        let mut state = self.state();
        let own = state.workers.get(&pod::uid(&pod));
        let waits = pod::is_static(&pod)
            && match own {
                Some(own) => own.peek().removed,
                None => state.static_pods_named(&name).next().is_some(),
            };
        if waits {
            state.waiting.insert(name, pod);
            return;
        }
        if let Some(own) = own {
            own.update(pod);
            return;
        }
        self.spawn(&mut state, pod);
        drop(state);
        (self.on_change)(&name);
    }

    fn spawn(self: &Arc<Self>, state: &mut State, pod: Arc<Pod>) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::new(pod.clone()));
        state.workers.insert(pod::uid(&pod), inbox.clone());
        self.shared.allocations.insert(&pod, inbox.clone());
        let worker = Worker::new(self.shared.clone(), inbox.clone(), pod.clone());
        let workers = self.clone();
        tokio::spawn(async move {
            let finished = worker.run().await;
            workers.finished(&finished.uid, &pod::full_name(&pod));
        });
        inbox
    }

    fn finished(self: &Arc<Self>, uid: &PodUid, name: &FullName) {
        let mut state = self.state();
        state.workers.remove(uid);
        self.shared.allocations.remove(uid);
        if state.static_pods_named(name).next().is_none()
            && let Some(next) = state.waiting.remove(name)
        {
            self.spawn(&mut state, next);
        }
        drop(state);
        self.shared.retry_resizes();
        (self.on_change)(name);
    }

    /// The object, file or URL of a pod is gone.
    pub fn remove(&self, uid: &PodUid) {
        let mut state = self.state();
        state.waiting.retain(|_, pod| pod::uid(pod) != *uid);
        if let Some(inbox) = state.workers.get(uid) {
            inbox.remove();
        }
    }

    /// Whether a pod has a worker, or waits for one.
    pub fn knows(&self, uid: &PodUid) -> bool {
        let state = self.state();
        state.workers.contains_key(uid) || state.waiting.values().any(|pod| pod::uid(pod) == *uid)
    }

    /// The pods that have workers, or wait for them.
    pub fn known(&self) -> Vec<Arc<Pod>> {
        let state = self.state();
        state.workers.values().map(|inbox| inbox.peek().pod).chain(state.waiting.values().cloned()).collect()
    }

    /// A pod that only the runtime knows: a worker that winds it up.
    pub fn remove_orphan(self: &Arc<Self>, pod: Arc<Pod>) {
        let mut state = self.state();
        if !state.workers.contains_key(&pod::uid(&pod)) {
            self.spawn(&mut state, pod).remove();
        }
    }

    /// Ends a pod for the node's sake.
    pub fn evict(&self, uid: &PodUid, failure: Failure) {
        if let Some(inbox) = self.state().workers.get(uid) {
            inbox.evict(failure);
        }
    }

    /// Something happened to a pod on the node.
    pub fn wake(&self, uid: &PodUid) {
        if let Some(inbox) = self.state().workers.get(uid) {
            inbox.wake();
        }
    }

    /// Something happened that may matter to all.
    pub fn wake_all(&self) {
        self.state().workers.values().for_each(|inbox| inbox.wake());
    }

    /// An object that a pod uses has changed.
    pub fn object_changed(&self, uid: &PodUid, object: &crate::watches::Watched, version: Option<&str>) {
        if let Some(inbox) = self.state().workers.get(uid) {
            inbox.object_changed(object.clone(), version.map(str::to_owned));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
