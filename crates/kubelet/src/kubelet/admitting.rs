//! Whether the node takes a pod that it does not know yet, from the API or from a manifest.
//!
//! The node's labels are known by a watch, and the scheduler may have seen a new one before this node has: no pod is
//! refused for labels before they were read for it (upstream's predicate admit handler, which asks for the node past the
//! cache since v1.35).

use super::Kubelet;
use crate::admission::{self, AdmissionInput};
use crate::events::PodEvents;
use crate::pod;
use crate::status::{self, Failure};
use client::{Client, ObjectKey, Store};
use k8s_openapi::api::core::v1::{Node, Pod};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, mpsc};

/// Labels of a node.
pub(super) type Labels = BTreeMap<String, String>;

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum Asker {
    /// A pod of the API.
    Object(ObjectKey),
    /// A pod of a file or URL.
    Manifest,
}

/// Whether a pod is taken.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is.
    Admitted,
    /// It is not.
    Refused(Failure),
    /// The labels are being read: [`Kubelet::look_again`] will tell.
    Unsure,
}

/// What waits for the node's labels. Bounded by the pods of the node.
#[derive(Debug, Default)]
struct Waiting {
    objects: BTreeSet<ObjectKey>,
    manifests: bool,
}

/// Asks for the labels to be read.
#[derive(Debug, Default)]
pub(super) struct LabelReader {
    waiting: Mutex<Waiting>,
    notify: Notify,
}

/// The labels as they were after everyone in it had asked.
#[derive(Debug)]
pub(super) struct LabelsRead {
    waiting: Waiting,
    labels: Labels,
}

impl LabelReader {
    fn ask(&self, asker: Asker) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match asker {
            Asker::Object(key) => drop(waiting.objects.insert(key)),
            Asker::Manifest => waiting.manifests = true,
        }
        self.notify.notify_one();
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads the labels whenever somebody asks. What cannot be read is what is known.
pub(super) async fn read_labels(client: Client, kubelet: Arc<Kubelet>, answers: mpsc::Sender<LabelsRead>) {
    let key = ObjectKey::cluster(kubelet.shared.config.node_name.clone());
    loop {
        kubelet.labels.notify.notified().await;
        let waiting = kubelet.labels.take();
        let labels = match client.get_opt::<Node>(&key).await {
            Ok(Some(node)) => node.metadata.labels.unwrap_or_default(),
            Ok(None) => kubelet.shared.node().labels,
            Err(error) => {
                tracing::warn!(%error, "cannot read the node's labels");
                kubelet.shared.node().labels
            }
        };
        if answers.send(LabelsRead { waiting, labels }).await.is_err() {
            return;
        }
    }
}

impl Kubelet {
    /// The labels were read for some pods: they are decided, if they are still there.
    pub(super) fn look_again(&self, read: &LabelsRead, store: &Store<Pod>) {
        for pod in read.waiting.objects.iter().filter_map(|key| store.get(key)) {
            self.api_pod(&pod, Some(&read.labels));
        }
        if read.waiting.manifests {
            self.lay_over(Some(&read.labels));
        }
    }

    /// A pod of the API that is new or has changed; `read` are the node's labels as of just now, where they were read.
    pub(super) fn api_pod(&self, pod: &Arc<Pod>, read: Option<&Labels>) {
        let uid = pod::uid(pod);
        let known = self.workers.get(&uid);
        if let Some(known) = &known
            && !asks_for_more(&known.pod, pod)
        {
            return;
        }
        let seen = known.as_ref().and_then(|d| pod::annotation(&d.pod, pod::CONFIG_SEEN).map(str::to_owned));
        let pod = Arc::new(annotated(pod, seen.unwrap_or_else(|| self.shared.clock.now().to_string())));
        let refused = self.shared.statuses.get(&uid).and_then(|s| s.phase).is_some_and(|phase| phase == "Failed");
        if known.is_none() && refused && pod.metadata.deletion_timestamp.is_none() {
            // its object does not show it yet
            return;
        }
        let over = pod::is_terminal_phase(&pod) || pod.metadata.deletion_timestamp.is_some();
        let _deciding = self.shared.allocations.decide();
        if known.is_none() && !over {
            match self.admission(&pod, Asker::Object(ObjectKey::of(&*pod)), read) {
                Verdict::Admitted => {}
                Verdict::Refused(failure) => return self.reject(&pod, &failure),
                Verdict::Unsure => return,
            }
        }
        self.workers.update(pod);
    }

    /// Whether the node takes a new pod.
    pub(super) fn admission(&self, pod: &Pod, asker: Asker, read: Option<&Labels>) -> Verdict {
        if self.lock_adopted().contains_key(&pod::uid(pod)) {
            return Verdict::Admitted;
        }
        let node = self.shared.node();
        let active = self.shared.allocations.active();
        let admitted = admission::admit(&AdmissionInput {
            pod,
            active: &active,
            allocatable: &node.allocatable,
            labels: read.unwrap_or(&node.labels),
            node_name: &self.shared.config.node_name,
            allowed_unsafe_sysctls: &self.shared.config.allowed_unsafe_sysctls,
        });
        match admitted {
            Ok(()) => Verdict::Admitted,
            Err(failure) => {
                let may_be_old = read.is_none() && self.client.is_some();
                if may_be_old && failure.reason == admission::NODE_AFFINITY {
                    self.labels.ask(asker);
                    return Verdict::Unsure;
                }
                Verdict::Refused(failure)
            }
        }
    }

    /// The status of a pod that the node does not take says why.
    pub(super) fn reject(&self, pod: &Arc<Pod>, failure: &Failure) {
        PodEvents { sink: &*self.shared.events, pod }.pod_warning(&failure.reason, &failure.message);
        let old = pod.status.clone().unwrap_or_default();
        let status = status::rejected(pod, &old, failure, self.shared.clock.now());
        self.shared.statuses.set(pod, status);
    }
}

/// Whether a changed object asks the worker for anything: its own status updates do not.
fn asks_for_more(known: &Pod, new: &Pod) -> bool {
    let (old_meta, new_meta) = (&known.metadata, &new.metadata);
    let mut annotations = old_meta.annotations.clone().unwrap_or_default();
    annotations.remove(pod::CONFIG_SEEN);
    annotations.remove(pod::CONFIG_SOURCE);
    old_meta.deletion_timestamp != new_meta.deletion_timestamp
        || old_meta.deletion_grace_period_seconds != new_meta.deletion_grace_period_seconds
        || old_meta.generation != new_meta.generation
        || old_meta.labels != new_meta.labels
        || annotations != new_meta.annotations.clone().unwrap_or_default()
        || known.spec != new.spec
        || (!pod::spec(new).readiness_gates.as_deref().unwrap_or_default().is_empty() && known.status != new.status)
}

/// What the kubelet notes on the pods that it gets from the API; the downward API shows it.
fn annotated(pod: &Pod, seen: String) -> Pod {
    let mut pod = pod.clone();
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(pod::CONFIG_SEEN.to_owned(), seen);
    annotations.insert(pod::CONFIG_SOURCE.to_owned(), "api".to_owned());
    pod
}
