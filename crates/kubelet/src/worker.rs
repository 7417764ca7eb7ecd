//! One pod's worker: brings the node to what the pod's object says, step by step, and says how far it is.
//!
//! Level-triggered: it is told that something changed, never what; then it looks, plans and acts. Three stages, as
//! upstream's pod workers have: sync, terminating, terminated. What not: no other pod.

mod image;
mod inbox;
mod messages;
mod references;
mod resize;
mod sandbox;
mod start;
mod sync;
mod terminate;
#[cfg(test)]
mod tests;

pub use inbox::{Desired, Inbox};

use crate::env::References;
use crate::events::PodEvents;
use crate::observed::{Observed, ProbeResults};
use crate::plan::Backoff;
use crate::pod::{self, PodUid, labels};
use crate::probes::Prober;
use crate::shared::Shared;
use crate::status::{self, Failure, Stage, StatusInput, Waiting};
use crate::volumes::{MountedVolumes, TokenFile};
use image::Pull;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use runtime::service::{ContainerFilter, ContainerId, Image, RuntimeError, SandboxFilter};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Which pod.
    pub uid: PodUid,
}

/// The state of one pod's worker. What can be found out anew by looking is not kept, but for caches.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    /// What the object, file or URL says.
    desired: Arc<Pod>,
    /// The same as far as it is granted: what is worked on.
    pod: Arc<Pod>,
    resize: resize::Resize,
    /// What an earlier kubelet had applied was taken note of.
    grant_adopted: bool,
    stage: Stage,
    observed: Arc<Observed>,
    backoff: Backoff,
    /// Containers that wait for another reason than their turn.
    waiting: BTreeMap<String, Waiting>,
    /// Not to be started before.
    held: BTreeMap<String, Timestamp>,
    /// Image pulls in flight, and their failures, by container.
    pulls: BTreeMap<String, Pull>,
    /// Images that containers wait with until all of theirs are there, by the keys of their pulls and their names.
    present: BTreeMap<(String, String), Box<Image>>,
    /// Termination messages that were read, by container id.
    messages: BTreeMap<String, String>,
    /// Instances whose back-off was announced.
    announced: HashSet<ContainerId>,
    /// Instances that are being stopped while the pod goes on.
    killing: HashSet<ContainerId>,
    /// Instances that are stopped to be started anew, whatever the restart policy says.
    replaced: BTreeSet<ContainerId>,
    /// The addresses of the newest sandbox, once it is connected.
    addresses: Option<Vec<IpAddr>>,
    references: Option<References>,
    tokens: BTreeMap<TokenFile, references::CachedToken>,
    volumes: Option<MountedVolumes>,
    volumes_dirty: bool,
    files_written: bool,
    /// Failures in a row of what the whole pod waits for: volumes, sandbox.
    failures: u32,
    failure: Option<Failure>,
    prober: Prober,
}

/// Waits after failures of the whole pod: half a second, doubling, at most two minutes (the volume manager's).
const RETRY_INITIAL: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(122);

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, inbox: Arc<Inbox>, pod: Arc<Pod>) -> Self {
        let prober = Prober::new(shared.clone(), inbox.clone());
        Self {
            shared,
            inbox,
            desired: pod.clone(),
            pod,
            resize: resize::Resize::default(),
            grant_adopted: false,
            stage: Stage::Sync,
            observed: Arc::default(),
            backoff: Backoff::default(),
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            pulls: BTreeMap::new(),
            present: BTreeMap::new(),
            messages: BTreeMap::new(),
            announced: HashSet::new(),
            killing: HashSet::new(),
            replaced: BTreeSet::new(),
            addresses: None,
            references: None,
            tokens: BTreeMap::new(),
            volumes: None,
            volumes_dirty: true,
            files_written: false,
            failures: 0,
            failure: None,
            prober,
        }
    }

    /// Works until the pod is gone from the node.
    pub(crate) async fn run(mut self) -> Finished {
        let uid = pod::uid(&self.pod);
        loop {
            let desired = self.inbox.take();
            self.accept(&desired);
            let wake_at = match self.stage {
                Stage::Sync if desired.ends() => {
                    self.stage = Stage::Terminating;
                    continue;
                }
                Stage::Sync => {
                    let next = self.sync().await;
                    match next {
                        sync::Next::Wait(wake_at) => wake_at,
                        sync::Next::Terminate => {
                            self.stage = Stage::Terminating;
                            continue;
                        }
                    }
                }
                Stage::Terminating => match self.terminate(&desired).await {
                    Ok(()) => {
                        self.stage = Stage::Terminated;
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(pod = %pod::format_pod(&self.pod), %error, "cannot stop the pod");
                        Some(self.retry_at())
                    }
                },
                Stage::Terminated => match desired.gone() {
                    true => match self.reclaim(&desired).await {
                        Ok(()) => return Finished { uid },
                        Err(error) => {
                            tracing::warn!(pod = %pod::format_pod(&self.pod), %error, "cannot clean up");
                            Some(self.retry_at())
                        }
                    },
                    false => None,
                },
            };
            self.wait(wake_at).await;
        }
    }

    async fn wait(&self, wake_at: Option<Timestamp>) {
        let Some(wake_at) = wake_at else { return self.inbox.changed().await };
        let left = Duration::try_from(wake_at.duration_since(self.shared.clock.now())).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        tokio::select! {
            () = self.inbox.changed() => {}
            () = self.shared.clock.sleep(left) => {}
        }
    }

    /// Takes over what was asked for since the last look.
    fn accept(&mut self, desired: &Desired) {
        if !Arc::ptr_eq(&self.desired, &desired.pod) {
            let (old, new) = (&self.desired.metadata, &desired.pod.metadata);
            // the downward API shows them
            self.volumes_dirty |= old.labels != new.labels || old.annotations != new.annotations;
            self.desired = desired.pod.clone();
        }
        self.take_grant();
        for (object, version) in &desired.changed_objects {
            if self.references.as_ref().is_some_and(|have| references::is_news(have, object, version.as_deref())) {
                self.references = None;
                self.volumes_dirty = true;
                // whoever waits for it may try again
                self.held.clear();
            }
        }
    }

    fn events(&self) -> PodEvents<'_> {
        PodEvents { sink: &*self.shared.events, pod: &self.pod }
    }

    fn retry_at(&mut self) -> Timestamp {
        let wait = RETRY_INITIAL.saturating_mul(1 << self.failures.min(16)).min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.shared.clock.now() + wait
    }

    /// Asks the runtime what there is of this pod.
    async fn observe(&mut self) -> Result<(), RuntimeError> {
        let uid = pod::uid(&self.pod);
        let sandboxes = SandboxFilter { pod_uid: Some(uid.0.clone()), ..SandboxFilter::default() };
        let containers = ContainerFilter {
            labels: BTreeMap::from([(labels::POD_UID.to_owned(), uid.0.clone())]),
            ..ContainerFilter::default()
        };
        let (sandboxes, containers) = futures::future::try_join(
            self.shared.runtime.list_pod_sandboxes(sandboxes),
            self.shared.runtime.list_containers(containers),
        )
        .await?;
        for sandbox in &sandboxes {
            self.shared.sandbox_index.insert(sandbox.id.clone(), uid.clone());
        }
        self.observed = Arc::new(Observed::new(sandboxes, containers));
        self.shared.observed.insert(uid, self.observed.clone());
        for name in pod::containers(&self.pod).iter().map(|(_, c)| &c.name) {
            if let Some(latest) = self.observed.latest(name) {
                self.backoff.observe(latest);
            }
        }
        self.adopt_grant();
        self.read_messages();
        let here: BTreeSet<&ContainerId> = self.observed.running().map(|c| &c.id).collect();
        self.killing.retain(|id| here.contains(id));
        self.replaced.retain(|id| self.observed.containers.iter().any(|c| c.id == *id));
        self.prober.keep_only(&here);
        Ok(())
    }

    fn sandbox_usable(&self) -> bool {
        self.observed.ready_sandbox().is_some() && self.addresses.is_some()
    }

    fn pod_addresses(&self) -> Vec<IpAddr> {
        if pod::host_network(&self.pod) {
            return self.shared.node().addresses;
        }
        self.addresses.clone().unwrap_or_default()
    }

    fn old_status(&self) -> PodStatus {
        self.shared.statuses.known(&self.pod)
    }

    /// Computes the status and hands it to the status manager.
    fn publish_status(&self) {
        let node = self.shared.node();
        let old = self.old_status();
        let addresses = self.pod_addresses();
        let probes: ProbeResults = self.prober.results();
        let input = StatusInput {
            pod: &self.pod,
            observed: &self.observed,
            old: &old,
            sandbox_usable: self.sandbox_usable() && self.volumes.is_some(),
            addresses: &addresses,
            host_addresses: &node.addresses,
            waiting: &self.waiting,
            probes: &probes,
            messages: &self.messages,
            failure: self.failure.as_ref(),
            stage: self.stage,
            resize: &self.resize.progress,
            now: self.shared.clock.now(),
        };
        self.shared.statuses.set(&self.pod, status::generate(&input));
    }
}
