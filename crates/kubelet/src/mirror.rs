//! Mirror pods: the API's picture of each static pod, made, replaced and taken away with it.

use crate::api_access::KubeletApi;
use crate::pod::{self, FullName};
use crate::pod_workers::PodWorkers;
use crate::shared::Shared;
use client::{Backoff, Error, ObjectKey, Outcome, Shutdown, Store, WorkQueue, run_workers};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WORKERS: usize = 2;
/// Until the API server takes the mirror: its namespace or the node may not be there yet.
const RETRY: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(10) };

/// What to do about one name. Pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorAction {
    /// All is as it should be.
    Nothing,
    /// Make it.
    Create,
    /// Take it away; what there is instead shows when it is gone.
    Delete,
}

/// The decision: `wanted` is the static pod, `ending` says that it is being wound up, `sources_ready` that all sources
/// have spoken.
pub fn plan(wanted: Option<&Pod>, ending: bool, mirror: Option<&Pod>, sources_ready: bool) -> MirrorAction {
    match (wanted, mirror) {
        (Some(_), None) if ending => MirrorAction::Nothing,
        (Some(_), None) => MirrorAction::Create,
        (Some(pod), Some(mirror)) => {
            let same = pod::annotation(pod, pod::CONFIG_HASH) == pod::annotation(mirror, pod::CONFIG_MIRROR);
            let deleted = mirror.metadata.deletion_timestamp.is_some();
            if same && !deleted { MirrorAction::Nothing } else { MirrorAction::Delete }
        }
        (None, Some(_)) if sources_ready => MirrorAction::Delete,
        (None, _) => MirrorAction::Nothing,
    }
}

/// The mirror of a static pod: owned by the node, with the hash that ties it to the manifest.
pub fn mirror_of(pod: &Pod, node_name: &str, node_uid: &str) -> Pod {
    let mut annotations = pod.metadata.annotations.clone().unwrap_or_default();
    let hash = annotations.get(pod::CONFIG_HASH).cloned().unwrap_or_default();
    annotations.insert(pod::CONFIG_MIRROR.to_owned(), hash);
    Pod {
        metadata: ObjectMeta {
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            labels: pod.metadata.labels.clone(),
            annotations: Some(annotations),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Node".to_owned(),
                name: node_name.to_owned(),
                uid: node_uid.to_owned(),
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            ..ObjectMeta::default()
        },
        spec: pod.spec.clone(),
        status: None::<PodStatus>,
    }
}

/// Keeps mirrors in step.
#[derive(Debug)]
pub struct MirrorManager {
    shared: Arc<Shared>,
    queue: WorkQueue<FullName>,
    sources_ready: Arc<AtomicBool>,
}

impl MirrorManager {
    /// Its queue is fed by [`MirrorManager::look`].
    pub fn new(shared: Arc<Shared>, sources_ready: Arc<AtomicBool>) -> Self {
        let queue = WorkQueue::with_backoff(shared.clock.clone(), RETRY);
        Self { shared, queue, sources_ready }
    }

    /// Something about this name has changed.
    pub fn look(&self, name: &FullName) {
        self.queue.add(name.clone());
    }

    /// Works until `shutdown`.
    pub async fn run(&self, api: Arc<dyn KubeletApi>, store: Store<Pod>, workers: Arc<PodWorkers>, shutdown: Shutdown) {
        let (api, store, workers) = (&*api, &store, &workers);
        run_workers("mirror-pods", &self.queue, WORKERS, &shutdown, |name| async move {
            self.reconcile(api, store, workers, &name).await
        })
        .await;
    }

    async fn reconcile(
        &self,
        api: &dyn KubeletApi,
        store: &Store<Pod>,
        workers: &PodWorkers,
        name: &FullName,
    ) -> Result<Outcome, Error> {
        let desired = workers.static_pod(name);
        let wanted = desired.as_ref().map(|d| &*d.pod);
        let ending = desired.as_ref().is_some_and(|d| d.removed);
        let key = ObjectKey::namespaced(&name.namespace, &name.name);
        let mirror = store.get(&key).filter(|pod| pod::is_mirror(pod));
        match plan(wanted, ending, mirror.as_deref(), self.sources_ready.load(Ordering::Acquire)) {
            MirrorAction::Nothing => Ok(Outcome::Done),
            MirrorAction::Create => {
                let Some(pod) = wanted else { return Ok(Outcome::Done) };
                // once the node is registered, whoever registers it has all names looked at
                let Some(node_uid) = self.shared.node().uid else { return Ok(Outcome::Done) };
                let mirror = mirror_of(pod, &self.shared.config.node_name, &node_uid);
                match api.create_pod(&mirror).await {
                    Err(error) if !error.is_already_exists() => Err(error),
                    // The watch has yet to show it, or a pod of the API has the name. Looked at once more: what came and went
                    // between two lists the watch never shows.
                    _ => Ok(Outcome::RequeueAfter(RETRY.max)),
                }
            }
            MirrorAction::Delete => {
                let Some(mirror) = mirror else { return Ok(Outcome::Done) };
                match api.delete_pod(name, &pod::uid(&mirror).0).await {
                    Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
                    _ => Ok(Outcome::Done),
                }
            }
        }
    }
}
