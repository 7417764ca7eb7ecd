//! Pods that ran before this kubelet: taken note of when it starts, and wound up once it is sure that nobody wants them; and
//! what a kubelet that was killed half way through has left of others on the disk.

use super::Kubelet;
use crate::paths::Paths;
use crate::pod::{self, PodUid, labels};
use crate::volumes;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use runtime::service::{ContainerFilter, PodSandboxStatus, RuntimeError, SandboxFilter};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// Until a runtime that could not say what runs is asked again.
const RETRY: Duration = Duration::from_secs(1);

impl Kubelet {
    /// Takes note of what runs: it is not admitted anew, and what nobody wants is found among it.
    pub(super) async fn adopt(&self) {
        match self.pods_of_runtime().await {
            Ok(found) => *self.lock_adopted() = found,
            Err(error) => tracing::error!(%error, "cannot list sandboxes"),
        }
    }

    /// Once every source has reported: what runs and is wanted by none is wound up.
    pub(super) fn check_sources(self: &Arc<Self>, ready: bool) {
        if !ready || self.sources_ready.swap(true, Ordering::AcqRel) {
            return;
        }
        for desired in self.workers.all() {
            self.mirrors.look(&pod::full_name(&desired.pod));
        }
        // those of static pods that went while no kubelet ran
        for name in self.shared.statuses.mirror_names() {
            self.mirrors.look(&name);
        }
        let kubelet = self.clone();
        tokio::spawn(async move {
            while let Err(error) = kubelet.wind_up_orphans().await {
                tracing::warn!(%error, "cannot list sandboxes");
                kubelet.shared.clock.sleep(RETRY).await;
            }
        });
    }

    async fn wind_up_orphans(&self) -> Result<(), RuntimeError> {
        // looked for first: a worker that makes one later is known by then
        let leftovers = Leftovers::find(&self.shared.config.paths);
        for (uid, pod) in self.pods_of_runtime().await? {
            if !self.workers.knows(&uid) {
                self.wind_up(pod);
            }
        }
        let (paths, known) = (self.shared.config.paths.clone(), self.workers.known());
        let removed = tokio::task::spawn_blocking(move || leftovers.remove(&paths, &known)).await;
        if let Err(error) = removed {
            tracing::error!(%error, "removing what is left of pods");
        }
        Ok(())
    }

    /// Ends a pod that only the runtime knows.
    pub(super) fn wind_up(&self, pod: Arc<Pod>) {
        tracing::info!(pod = %pod::format_pod(&pod), "winding up a pod that is wanted no more");
        self.workers.remove_orphan(pod);
    }

    /// The pods that the runtime has, as far as it knows them.
    async fn pods_of_runtime(&self) -> Result<BTreeMap<PodUid, Arc<Pod>>, RuntimeError> {
        let sandboxes = self.shared.runtime.list_pod_sandboxes(SandboxFilter::default()).await?;
        let containers = self.shared.runtime.list_containers(ContainerFilter::default()).await?;
        let mut pods: BTreeMap<PodUid, Pod> = BTreeMap::new();
        for sandbox in sandboxes.iter().filter(|sandbox| sandbox.labels.contains_key(labels::POD_UID)) {
            let uid = PodUid(sandbox.metadata.uid.clone());
            self.shared.sandbox_index.insert(sandbox.id.clone(), uid.clone());
            let pod = pods.entry(uid).or_insert_with(|| pod_of(sandbox));
            let of_it = containers.iter().filter(|c| c.sandbox_id == sandbox.id);
            let spec = pod.spec.get_or_insert_default();
            spec.containers.extend(of_it.map(|c| Container { name: c.metadata.name.clone(), ..Container::default() }));
        }
        Ok(pods.into_iter().map(|(uid, pod)| (uid, Arc::new(pod))).collect())
    }

    pub(super) fn lock_adopted(&self) -> MutexGuard<'_, BTreeMap<PodUid, Arc<Pod>>> {
        self.adopted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directories of pods, by the names of their files.
struct Leftovers {
    pods: Vec<String>,
    logs: Vec<String>,
}

impl Leftovers {
    fn find(paths: &Paths) -> Self {
        let names = |directory: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
        };
        Self { pods: names(&paths.pod("")), logs: names(&paths.pod_logs) }
    }

    /// Removes what belongs to no pod that is known, and links to logs that are not there any more.
    fn remove(self, paths: &Paths, known: &[Arc<Pod>]) {
        for uid in self.pods.iter().filter(|name| !known.iter().any(|pod| pod::uid(pod).0 == **name)) {
            if let Err(error) = volumes::tear_down(paths, uid) {
                tracing::warn!(uid, %error, "cannot remove what is left of a pod");
            }
        }
        let logs: BTreeSet<PathBuf> = known.iter().map(|pod| paths.log_directory(pod)).collect();
        for directory in self.logs.iter().map(|name| paths.pod_logs.join(name)).filter(|path| !logs.contains(path)) {
            let _ = std::fs::remove_dir_all(&directory); // what is no directory is nobody's log
        }
        let links = std::fs::read_dir(&paths.container_logs).into_iter().flatten().flatten();
        for link in links.map(|entry| entry.path()).filter(|path| path.is_symlink() && !path.exists()) {
            let _ = std::fs::remove_file(link); // somebody else may have been quicker
        }
    }
}

/// What a sandbox says of its pod.
fn pod_of(sandbox: &PodSandboxStatus) -> Pod {
    let grace = sandbox.annotations.get(labels::GRACE_PERIOD_SECONDS).and_then(|text| text.parse().ok());
    let source = sandbox.annotations.get(labels::CONFIG_SOURCE).cloned().unwrap_or_else(|| "api".to_owned());
    Pod {
        metadata: ObjectMeta {
            name: Some(sandbox.metadata.name.clone()),
            namespace: Some(sandbox.metadata.namespace.clone()),
            uid: Some(sandbox.metadata.uid.clone()),
            annotations: Some(BTreeMap::from([(pod::CONFIG_SOURCE.to_owned(), source)])),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec { termination_grace_period_seconds: grace, ..PodSpec::default() }),
        status: None,
    }
}
