//! The kubelet put together: sources of pods, workers, statuses, mirrors, the node.

mod admitting;
mod orphans;
#[cfg(test)]
mod simulation;
mod static_pods;
#[cfg(test)]
mod tests;

use crate::allocation::AllocationManager;
use crate::api_access::KubeletApi;
use crate::config::Config;
use crate::events::{EventSink, LogSink, node_reference};
use crate::eviction;
use crate::image_gc;
use crate::log_rotation;
use crate::mirror::MirrorManager;
use crate::network::PodNetworking;
use crate::node;
use crate::pod::{self, FullName, PodUid};
use crate::pod_workers::PodWorkers;
use crate::shared::{NoServices, NodeFacts, ObservedCache, SandboxIndex, ServiceLister, Shared};
use crate::sources::{self, Source, SourceUpdate};
use crate::status_manager::StatusManager;
use crate::watches::ObjectWatches;
use admitting::LabelReader;
use client::{
    Change, Client, EventRecorder, EventSource, EventType, Informer, InformerBuilder, RecorderTask, Selection, Shutdown,
};
use clock::SharedClock;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use runtime::service::{ContainerEvent, ImageService, RuntimeService};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use tokio::sync::mpsc;

/// What a kubelet works with.
#[derive(Debug)]
pub struct Dependencies {
    /// The API server; `None`: static pods only.
    pub client: Option<Client>,
    /// The API server under the identity of kube-proxy: nodes may not read each other, it may. `None`: no routes to
    /// other nodes' pods are set.
    pub proxy_client: Option<Client>,
    /// Sandboxes and containers.
    pub runtime: Arc<dyn RuntimeService>,
    /// Images.
    pub images: Arc<dyn ImageService>,
    /// The pod network.
    pub network: Arc<dyn PodNetworking>,
    /// Time.
    pub clock: SharedClock,
}

/// Runs a kubelet until `shutdown`. Containers go on running after it.
pub async fn run(config: Config, dependencies: Dependencies, shutdown: Shutdown) {
    Kubelet::new(config, dependencies, &shutdown).run(shutdown).await;
}

/// Updates of sources that wait to be looked at.
const SOURCE_UPDATES_MAX: usize = 16;

/// A kubelet; [`Kubelet::run`] does the work. Its server sees it as a `PodAccess`.
#[derive(Debug)]
pub struct Kubelet {
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Arc<PodWorkers>,
    mirrors: Arc<MirrorManager>,
    client: Option<Client>,
    recorder: Mutex<Option<RecorderTask>>,
    services: Option<Informer<Service>>,
    /// Every source has reported once: what is not wanted may go.
    sources_ready: Arc<AtomicBool>,
    /// Pods that ran before this kubelet started, as far as the runtime knows them; they are not admitted anew.
    adopted: Mutex<BTreeMap<PodUid, Arc<Pod>>>,
    manifests: Mutex<static_pods::Manifests>,
    labels: LabelReader,
}

#[derive(Debug)]
struct InformerServices(Informer<Service>);

impl ServiceLister for InformerServices {
    fn services(&self) -> Option<Vec<Arc<Service>>> {
        self.0.has_synced().then(|| self.0.store().list())
    }
}

impl Kubelet {
    /// Puts a kubelet together; nothing of the node is touched before [`Kubelet::run`]. Must be called inside a tokio runtime.
    pub fn new(config: Config, dependencies: Dependencies, shutdown: &Shutdown) -> Arc<Self> {
        let Dependencies { client, proxy_client, runtime, images, network, clock } = dependencies;
        let (events, recorder): (Arc<dyn EventSink>, _) = match &client {
            Some(client) => {
                let source = EventSource::Core { component: "kubelet".to_owned(), host: config.node_name.clone() };
                let (recorder, task) = EventRecorder::new(client.clone(), clock.clone(), source);
                (Arc::new(recorder), Some(task))
            }
            None => (Arc::new(LogSink), None),
        };
        let services =
            client.as_ref().map(|c| InformerBuilder::new(c, clock.clone(), Selection::all()).start(shutdown.clone()));
        let lister: Arc<dyn ServiceLister> = match &services {
            Some(informer) => Arc::new(InformerServices(informer.clone())),
            None => Arc::new(NoServices),
        };
        let watched = client.as_ref().map(|c| (c.clone(), clock.clone(), shutdown.clone()));
        let facts: NodeFacts = node::initial_facts(&config);
        let shared = Arc::new(Shared {
            api: client.clone().map(|c| Arc::new(c) as Arc<dyn KubeletApi>),
            statuses: Arc::new(StatusManager::new(clock.clone())),
            watches: Arc::new(ObjectWatches::new(watched)),
            node: RwLock::new(facts),
            allocations: AllocationManager::default(),
            sandbox_index: SandboxIndex::default(),
            proxy_client,
            observed: ObservedCache::default(),
            services: lister,
            config,
            clock,
            runtime,
            images,
            network,
            events,
        });
        let sources_ready = Arc::new(AtomicBool::new(false));
        let mirrors = Arc::new(MirrorManager::new(shared.clone(), sources_ready.clone()));
        let look = mirrors.clone();
        let workers = PodWorkers::new(shared.clone(), move |name| look.look(name));
        let wake: Arc<OnceLock<std::sync::Weak<PodWorkers>>> = Arc::default();
        let _ = wake.set(Arc::downgrade(&workers)); // just made: it is empty
        shared.watches.on_change(move |uid, object, version| {
            if let Some(workers) = wake.get().and_then(std::sync::Weak::upgrade) {
                workers.object_changed(uid, object, version);
            }
        });
        Arc::new(Self {
            shared,
            workers,
            mirrors,
            client,
            recorder: Mutex::new(recorder),
            services,
            sources_ready,
            adopted: Mutex::default(),
            manifests: Mutex::default(),
            labels: LabelReader::default(),
        })
    }

    /// What cannot be made here is told by the first pod that needs it.
    fn open_directories(&self) {
        let paths = &self.shared.config.paths;
        for directory in [paths.pods(), paths.pod_logs.clone()] {
            if let Err(error) = runtime::make_top_directory(&directory) {
                tracing::warn!(path = %directory.display(), %error, "cannot make the directory");
            }
        }
    }

    /// Works until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        self.shared.events.record(
            &node_reference(&self.shared.config.node_name),
            EventType::Normal,
            "Starting",
            "Starting kubelet.",
        );
        let container_events = self.shared.runtime.container_events();
        self.open_directories();
        self.open_network().await;
        self.adopt().await;
        let mut tasks = tokio::task::JoinSet::new();
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(recorder) = recorder {
            tasks.spawn(recorder.run(shutdown.clone()));
        }
        let (updates_sender, mut updates) = mpsc::channel(SOURCE_UPDATES_MAX);
        let mut expected = self.start_sources(&updates_sender, &mut tasks, &shutdown);
        tasks.spawn(dispatch(container_events, self.clone(), shutdown.clone()));
        tasks.spawn(image_gc::run(self.shared.clone(), shutdown.clone()));
        tasks.spawn(eviction::run(self.shared.clone(), self.workers.clone(), shutdown.clone()));
        tasks.spawn(log_rotation::run(self.shared.clone(), shutdown.clone()));
        let mut pods = None;
        if let Some(client) = self.client.clone() {
            let api = client.clone();
            let informer = self.start_api(client, &mut tasks, &shutdown);
            pods = Some(informer.subscribe());
            let (synced, done) = (informer.clone(), mpsc::channel::<()>(1));
            let (done_sender, mut api_synced) = done;
            tasks.spawn(async move {
                if synced.wait_synced().await {
                    let _ = done_sender.send(()).await; // the kubelet may be shutting down
                }
            });
            let mut api_ready = false;
            let (labels_sender, mut labels_read) = mpsc::channel(1);
            tasks.spawn(admitting::read_labels(api, self.clone(), labels_sender));
            let mut subscription = pods.take();
            loop {
                let next = async {
                    match subscription.as_mut() {
                        Some(subscription) => subscription.next().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => break,
                    change = next => match change {
                        Some(change) => self.api_change(&change),
                        None => break,
                    },
                    Some(update) = updates.recv() => {
                        expected.remove(&update.source);
                        self.source_update(update);
                        self.check_sources(expected.is_empty() && api_ready);
                    }
                    Some(read) = labels_read.recv() => self.look_again(&read, informer.store()),
                    Some(()) = api_synced.recv() => {
                        // the subscription has been told of all pods before: `biased` has them first
                        api_ready = true;
                        self.check_sources(expected.is_empty());
                    }
                }
            }
        } else {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    Some(update) = updates.recv() => {
                        expected.remove(&update.source);
                        self.source_update(update);
                        self.check_sources(expected.is_empty());
                    }
                }
            }
        }
        drop(pods);
        tasks.shutdown().await;
    }

    /// A node that had a pod range has it still, whether or not the API server answers.
    async fn open_network(&self) {
        let pod_cidrs = node::first_pod_cidrs(&self.shared.config, self.client.is_some());
        if pod_cidrs.is_empty() {
            return;
        }
        if let Err(error) = self.shared.network.set_pod_cidrs(pod_cidrs).await {
            tracing::error!(%error, "cannot set the pod network up");
        }
    }

    fn start_sources(
        &self,
        updates: &mpsc::Sender<SourceUpdate>,
        tasks: &mut tokio::task::JoinSet<()>,
        shutdown: &Shutdown,
    ) -> BTreeSet<Source> {
        let config = &self.shared.config;
        let mut expected = BTreeSet::new();
        if let Some(path) = config.static_pod_path.clone() {
            expected.insert(Source::File);
            let (name, clock) = (config.node_name.clone(), self.shared.clock.clone());
            let frequency = config.file_check_frequency;
            tasks.spawn(sources::file::run(path, frequency, name, clock, updates.clone(), shutdown.clone()));
        }
        if let Some(url) = config.static_pod_url.clone() {
            expected.insert(Source::Http);
            let (name, clock) = (config.node_name.clone(), self.shared.clock.clone());
            let frequency = config.http_check_frequency;
            tasks.spawn(sources::url::run(url, frequency, name, clock, updates.clone(), shutdown.clone()));
        }
        expected
    }

    fn start_api(
        self: &Arc<Self>,
        client: Client,
        tasks: &mut tokio::task::JoinSet<()>,
        shutdown: &Shutdown,
    ) -> Informer<Pod> {
        let name = &self.shared.config.node_name;
        let selection = Selection::fields(format!("spec.nodeName={name}"));
        let informer =
            InformerBuilder::<Pod>::new(&client, self.shared.clock.clone(), selection).start(shutdown.clone());
        if let Some(api) = self.shared.api.clone() {
            let (statuses, stop, status_api) = (self.shared.statuses.clone(), shutdown.clone(), api.clone());
            tasks.spawn(async move { statuses.run(status_api, stop).await });
            let (mirrors, store, workers, stop) =
                (self.mirrors.clone(), informer.store().clone(), self.workers.clone(), shutdown.clone());
            tasks.spawn(async move { mirrors.run(api, store, workers, stop).await });
        }
        if let Some(services) = self.services.clone() {
            let workers = self.workers.clone();
            tasks.spawn(async move {
                if services.wait_synced().await {
                    workers.wake_all();
                }
            });
        }
        let kubelet = Arc::downgrade(self);
        let registered = move || {
            let Some(kubelet) = kubelet.upgrade() else { return };
            for pod in kubelet.workers.static_pods() {
                kubelet.mirrors.look(&pod::full_name(&pod));
            }
        };
        let wake = self.workers.clone();
        node::start(&client, &self.shared, registered, move || wake.wake_all(), tasks, shutdown);
        informer
    }

    /// A pod of the API came, changed or went.
    fn api_change(&self, change: &Change<Pod>) {
        let other_uid = |old: &Arc<Pod>| change.new.as_ref().is_none_or(|new| pod::uid(new) != pod::uid(old));
        if let Some(old) = change.old.as_ref().filter(|old| other_uid(old)) {
            self.shared.statuses.object_gone(&pod::full_name(old));
            if pod::is_mirror(old) {
                self.mirrors.look(&pod::full_name(old));
            } else {
                self.workers.remove(&pod::uid(old));
                self.shared.statuses.forget(&pod::uid(old));
            }
        }
        let Some(new) = &change.new else { return };
        self.shared.statuses.observe(new);
        if pod::is_mirror(new) {
            self.mirrors.look(&pod::full_name(new));
        } else {
            self.api_pod(new, None);
        }
    }

    /// The names of all static pods, for tests and the log.
    pub fn static_pod_names(&self) -> Vec<FullName> {
        self.workers.static_pods().iter().map(|pod| pod::full_name(pod)).collect()
    }
}

/// Wakes the worker of each container that something happened to.
async fn dispatch(
    mut events: futures::stream::BoxStream<'static, ContainerEvent>,
    kubelet: Arc<Kubelet>,
    shutdown: Shutdown,
) {
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = shutdown.cancelled() => return,
        };
        let Some(event) = event else { return };
        let sandbox = match event {
            ContainerEvent::Container { kind: runtime::service::ContainerEventKind::Stopped, sandbox_id, .. } => {
                sandbox_id
            }
            // the worker itself did it
            ContainerEvent::Container { .. } => continue,
            ContainerEvent::SandboxLost { id, .. } => id,
            ContainerEvent::Lagged => {
                kubelet.workers.wake_all();
                continue;
            }
        };
        if let Some(uid) = kubelet.shared.sandbox_index.get(&sandbox) {
            kubelet.workers.wake(&uid);
        }
    }
}
