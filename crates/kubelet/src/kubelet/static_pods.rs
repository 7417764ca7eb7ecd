//! What files and URLs want against what runs: pods come, change and go, and of two with one name one counts.
//!
//! Level-triggered: each report of a source is laid over what all sources said last, so that a pod that had to stand back
//! comes when its place is free.

use super::Kubelet;
use super::admitting::{Asker, Labels, Verdict};
use crate::events::node_reference;
use crate::pod::{self, FullName, PodUid};
use crate::sources::{Source, SourceUpdate};
use crate::status::Failure;
use client::EventType;
use k8s_openapi::api::core::v1::Pod;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, PoisonError};

/// What is known of manifests. Bounded by the sources, which hold it all.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    /// What each source wants.
    wanted: BTreeMap<Source, Vec<Arc<Pod>>>,
    /// What was logged about manifests, so that each problem is logged once.
    problems: BTreeMap<String, String>,
    /// Pods that the node does not take, and what was said about it.
    rejected: BTreeMap<PodUid, Failure>,
}

impl Kubelet {
    /// A file or URL says what it has now.
    pub(super) fn source_update(&self, update: SourceUpdate) {
        self.report_problems(&update);
        let pods: Vec<Arc<Pod>> = update.pods.into_iter().map(Arc::new).collect();
        self.wind_up_predecessors(update.source, &pods);
        self.manifests().wanted.insert(update.source, pods);
        self.lay_over(None);
    }

    /// Lays what all sources said last over what runs; `read` are the node's labels as of just now, where they were read.
    pub(super) fn lay_over(&self, read: Option<&Labels>) {
        let all: Vec<Arc<Pod>> = self.manifests().wanted.values().flatten().cloned().collect();
        let uids: BTreeSet<PodUid> = all.iter().map(|pod| pod::uid(pod)).collect();
        let (mut known, gone): (Vec<Arc<Pod>>, Vec<Arc<Pod>>) =
            self.workers.static_pods().into_iter().partition(|pod| uids.contains(&pod::uid(pod)));
        gone.iter().for_each(|pod| self.workers.remove(&pod::uid(pod)));
        self.forget_rejected(&uids);
        for pod in all {
            self.want(pod, &mut known, read);
        }
    }

    /// Takes one pod in, or what has changed of it.
    fn want(&self, pod: Arc<Pod>, known: &mut Vec<Arc<Pod>>, read: Option<&Labels>) {
        let (uid, name) = (pod::uid(&pod), pod::full_name(&pod));
        match known.iter_mut().find(|known| pod::uid(known) == uid || pod::full_name(known) == name) {
            Some(known) if pod::uid(known) != uid || pod::full_name(known) != name => {
                tracing::warn!(pod = %name, %uid, other = %pod::format_pod(known), "another pod has this name or uid, and counts");
            }
            // an edited file is another pod, unless it says its uid itself
            Some(known) if edited(known, &pod) => {
                let pod = Arc::new(seen_as(known, &pod));
                *known = pod.clone();
                self.workers.update(pod);
            }
            Some(_) => {}
            None => {
                let _deciding = self.shared.allocations.decide();
                match self.admission(&pod, Asker::Manifest, read) {
                    Verdict::Admitted => {
                        self.manifests().rejected.remove(&uid);
                        known.push(pod.clone());
                        self.workers.update(pod);
                    }
                    Verdict::Unsure => {}
                    Verdict::Refused(failure) => {
                        let told = self.manifests().rejected.insert(uid, failure.clone());
                        if told.as_ref() != Some(&failure) {
                            self.reject(&pod, &failure);
                        }
                    }
                }
            }
        }
    }

    /// What ran before this kubelet under a name of `pods`, from the same source, is their manifest before an edit: it
    /// ends first, as it would have if a kubelet had seen the edit.
    fn wind_up_predecessors(&self, source: Source, pods: &[Arc<Pod>]) {
        let names: BTreeSet<FullName> = pods.iter().map(|pod| pod::full_name(pod)).collect();
        let is_predecessor = |uid: &PodUid, old: &Pod| {
            pod::annotation(old, pod::CONFIG_SOURCE) == Some(source.as_str())
                && names.contains(&pod::full_name(old))
                && !pods.iter().any(|pod| pod::uid(pod) == *uid)
                && !self.workers.knows(uid)
        };
        let predecessors: Vec<Arc<Pod>> =
            self.lock_adopted().extract_if(.., |uid, old| is_predecessor(uid, old)).map(|(_, old)| old).collect();
        for old in predecessors {
            self.wind_up(old);
        }
    }

    fn forget_rejected(&self, wanted: &BTreeSet<PodUid>) {
        let gone: Vec<PodUid> =
            self.manifests().rejected.extract_if(.., |uid, _| !wanted.contains(uid)).map(|(uid, _)| uid).collect();
        gone.iter().for_each(|uid| self.shared.statuses.forget(uid));
    }

    fn report_problems(&self, update: &SourceUpdate) {
        let mut manifests = self.manifests();
        manifests.problems.retain(|file, _| update.problems.iter().any(|(f, _)| f == file));
        for (file, problem) in &update.problems {
            if manifests.problems.insert(file.clone(), problem.clone()).as_ref() == Some(problem) {
                continue;
            }
            tracing::error!(manifest = %file, %problem, "cannot use a manifest");
            let message = format!("Cannot use the static pod manifest {file}: {problem}");
            let node = node_reference(&self.shared.config.node_name);
            self.shared.events.record(&node, EventType::Warning, "InvalidStaticPodManifest", &message);
        }
    }

    fn manifests(&self) -> MutexGuard<'_, Manifests> {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a manifest that kept its uid says something else now.
fn edited(known: &Pod, new: &Pod) -> bool {
    let annotations = |pod: &Pod| {
        let mut annotations = pod.metadata.annotations.clone().unwrap_or_default();
        annotations.remove(pod::CONFIG_SEEN);
        annotations
    };
    known.spec != new.spec || known.metadata.labels != new.metadata.labels || annotations(known) != annotations(new)
}

/// `new`, seen for the first time when `known` was.
fn seen_as(known: &Pod, new: &Pod) -> Pod {
    let mut pod = new.clone();
    if let Some(seen) = pod::annotation(known, pod::CONFIG_SEEN) {
        pod.metadata.annotations.get_or_insert_default().insert(pod::CONFIG_SEEN.to_owned(), seen.to_owned());
    }
    pod
}
