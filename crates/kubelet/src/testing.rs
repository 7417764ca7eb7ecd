//! A kubelet's surroundings for tests: an API server, events and a network that only pretend.

pub(crate) mod model_server;

use crate::allocation::AllocationManager;
use crate::api_access::{Answer, IssuedToken, KubeletApi, TokenWish};
use crate::config::Config;
use crate::events::EventSink;
use crate::network::{NetworkError, NetworkRequest, NodeRoute, PodNetworking};
use crate::paths::Paths;
use crate::pod::{self, FullName};
use crate::pod_workers::PodWorkers;
use crate::shared::{NoServices, NodeFacts, ObservedCache, SandboxIndex, Shared};
use crate::status_manager::StatusManager;
use crate::watches::ObjectWatches;
use client::{EventType, Shutdown};
use clock::{Clock, ManualClock, SharedClock};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference, Pod, Secret};
use runtime::fake::FakeRuntime;
use runtime::service::{
    ContainerId, ContainerMetadata, ContainerResources, ContainerState, ContainerStatus, ImageId, NamespaceMode,
    PodSandboxMetadata, PodSandboxStatus, SandboxId, SandboxState,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

/// Pods by name, each with the patches that came.
#[derive(Debug, Default)]
pub(crate) struct FakeApi {
    pub(crate) patches: Mutex<Vec<Value>>,
    pub(crate) deleted: Mutex<Vec<FullName>>,
    pub(crate) config_maps: Mutex<BTreeMap<String, ConfigMap>>,
    pub(crate) secrets: Mutex<BTreeMap<String, Secret>>,
    /// Objects of these uids are there no more.
    pub(crate) gone: Mutex<BTreeSet<String>>,
}

impl KubeletApi for FakeApi {
    fn get_pod<'a>(&'a self, _: &'a FullName) -> Answer<'a, Option<Pod>> {
        Box::pin(async { Ok(None) })
    }
    fn create_pod<'a>(&'a self, pod: &'a Pod) -> Answer<'a, Pod> {
        Box::pin(async { Ok(pod.clone()) })
    }
    fn patch_pod_status<'a>(&'a self, name: &'a FullName, patch: &'a Value) -> Answer<'a, Pod> {
        let mut patches = self.patches.lock().unwrap();
        patches.push(patch.clone());
        if self.gone.lock().unwrap().contains(patch["metadata"]["uid"].as_str().unwrap_or_default()) {
            let status = kube::core::Status::failure("gone", "NotFound").with_code(404);
            return Box::pin(async { Err(client::Error::Status(status.boxed())) });
        }
        // later than the versions that tests write themselves
        let version = (10 * patches.len()).to_string();
        let status = serde_json::from_value(merge(&json!({}), &patch["status"])).unwrap_or_default();
        let pod = Pod {
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                name: Some(name.name.clone()),
                namespace: Some(name.namespace.clone()),
                uid: patch["metadata"]["uid"].as_str().map(str::to_owned),
                resource_version: Some(version),
                ..Default::default()
            },
            status: Some(status),
            ..Pod::default()
        };
        Box::pin(async { Ok(pod) })
    }
    fn delete_pod<'a>(&'a self, name: &'a FullName, _: &'a str) -> Answer<'a, ()> {
        self.deleted.lock().unwrap().push(name.clone());
        Box::pin(async { Ok(()) })
    }
    fn get_config_map<'a>(&'a self, _: &'a str, name: &'a str) -> Answer<'a, Option<ConfigMap>> {
        let found = self.config_maps.lock().unwrap().get(name).cloned();
        Box::pin(async { Ok(found) })
    }
    fn get_secret<'a>(&'a self, _: &'a str, name: &'a str) -> Answer<'a, Option<Secret>> {
        let found = self.secrets.lock().unwrap().get(name).cloned();
        Box::pin(async { Ok(found) })
    }
    fn create_token<'a>(&'a self, _: &'a TokenWish) -> Answer<'a, IssuedToken> {
        Box::pin(async {
            Ok(IssuedToken {
                token: "token".to_owned(),
                expires_at: jiff::Timestamp::from_second(1 << 40).unwrap_or(jiff::Timestamp::MAX),
            })
        })
    }
}

/// Nulls out of a patch of a new object.
fn merge(_: &Value, patch: &Value) -> Value {
    match patch {
        Value::Object(map) => {
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), merge(&json!({}), v))).collect()
        }
        Value::Array(items) => {
            items.iter().filter(|i| i.get("$patch").is_none()).map(|i| merge(&json!({}), i)).collect()
        }
        other => other.clone(),
    }
}

/// `Normal Pulled spec.containers{c}: words`
#[derive(Debug, Default)]
pub(crate) struct Recorded(pub(crate) Mutex<Vec<String>>);

impl EventSink for Recorded {
    fn record(&self, regarding: &ObjectReference, event_type: EventType, reason: &str, message: &str) {
        let path = regarding.field_path.as_deref().unwrap_or("pod");
        self.0.lock().unwrap().push(format!("{} {reason} {path}: {message}", event_type.as_str()));
    }
}

#[derive(Debug, Default)]
pub(crate) struct FakeNetwork;

impl PodNetworking for FakeNetwork {
    fn status(&self) -> Result<(), NetworkError> {
        Ok(())
    }
    fn set_pod_cidrs(&self, _: Vec<String>) -> BoxFuture<'_, Result<(), NetworkError>> {
        Box::pin(async { Ok(()) })
    }
    fn setup(&self, _: NetworkRequest) -> BoxFuture<'_, Result<Vec<IpAddr>, NetworkError>> {
        Box::pin(async { Ok(vec![IpAddr::from([10, 0, 0, 2])]) })
    }
    fn teardown<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), NetworkError>> {
        Box::pin(async { Ok(()) })
    }
    fn set_node_routes(&self, _: Vec<NodeRoute>) -> BoxFuture<'_, Result<(), NetworkError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A running instance of a container in the sandbox `s1`, without anything that sets it apart.
pub(crate) fn instance(name: &str, attempt: u32) -> ContainerStatus {
    ContainerStatus {
        id: ContainerId(format!("{name}-{attempt}")),
        sandbox_id: SandboxId("s1".to_owned()),
        metadata: ContainerMetadata { name: name.to_owned(), attempt },
        state: ContainerState::Running,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        started_at: Some(jiff::Timestamp::UNIX_EPOCH),
        finished_at: None,
        exit_code: 0,
        signal: None,
        reason: None,
        message: String::new(),
        image: String::new(),
        image_ref: String::new(),
        image_id: ImageId::default(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        mounts: Vec::new(),
        log_path: std::path::PathBuf::new(),
        resources: ContainerResources::default(),
        user: None,
        stop_signal: String::new(),
        pid: None,
    }
}

/// A ready sandbox without anything that sets it apart.
pub(crate) fn sandbox(id: &str) -> PodSandboxStatus {
    PodSandboxStatus {
        id: SandboxId(id.to_owned()),
        metadata: PodSandboxMetadata::default(),
        state: SandboxState::Ready,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        netns_path: None,
        network: NamespaceMode::Pod,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        resources: ContainerResources::default(),
    }
}

/// A node that only pretends, with one test's time.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) runtime: FakeRuntime,
    pub(crate) api: Arc<FakeApi>,
    pub(crate) events: Arc<Recorded>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Arc<PodWorkers>,
    pub(crate) shutdown: Shutdown,
    _root: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(1_700_000_000).unwrap()));
        let shared_clock: SharedClock = clock.clone();
        let runtime = FakeRuntime::new(shared_clock.clone());
        runtime.add_image("busybox");
        let (api, events) = (Arc::new(FakeApi::default()), Arc::new(Recorded::default()));
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let config = Config {
            node_name: "n".to_owned(),
            paths: Paths { root: path("root"), pod_logs: path("pods"), container_logs: path("containers") },
            ..Config::default()
        };
        let shared = Arc::new(Shared {
            proxy_client: None,
            api: Some(api.clone()),
            statuses: Arc::new(StatusManager::new(shared_clock.clone())),
            watches: Arc::new(ObjectWatches::new(None)),
            node: RwLock::new(NodeFacts { addresses: vec![IpAddr::from([192, 0, 2, 1])], ..NodeFacts::default() }),
            allocations: AllocationManager::default(),
            sandbox_index: SandboxIndex::default(),
            observed: ObservedCache::default(),
            services: Arc::new(NoServices),
            clock: shared_clock,
            runtime: Arc::new(runtime.clone()),
            images: Arc::new(runtime.clone()),
            network: Arc::new(FakeNetwork),
            events: events.clone(),
            config,
        });
        let workers = PodWorkers::new(shared.clone(), |_| {});
        let shutdown = Shutdown::new();
        let (statuses, status_api, stop) = (shared.statuses.clone(), api.clone(), shutdown.clone());
        tokio::spawn(async move { statuses.run(status_api, stop).await });
        let (for_events, wake) = (shared.clone(), workers.clone());
        tokio::spawn(async move {
            use futures::StreamExt;
            let mut events = for_events.runtime.container_events();
            while let Some(event) = events.next().await {
                if let runtime::service::ContainerEvent::Container { sandbox_id, .. } = event
                    && let Some(uid) = for_events.sandbox_index.get(&sandbox_id)
                {
                    wake.wake(&uid);
                }
            }
        });
        Self { clock, runtime, api, events, shared, workers, shutdown, _root: root }
    }

    /// Waits until the world is as described; time stands still meanwhile.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..TURNS_MAX {
            if holds(self) {
                return;
            }
            turns(1).await;
        }
        panic!("never: {what}; events: {:#?}", self.events.0.lock().unwrap());
    }

    /// Moves time once somebody waits for it.
    pub(crate) async fn advance(&self, seconds: u64) {
        self.until("somebody sleeps", |w| w.clock.sleepers() > 0).await;
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn phase(&self, pod: &Pod) -> String {
        self.shared.statuses.get(&pod::uid(pod)).and_then(|s| s.phase).unwrap_or_default()
    }

    pub(crate) fn events(&self) -> String {
        self.events.0.lock().unwrap().join("\n")
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }
}

/// Lets everybody else do something, `count` times.
pub(crate) async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
        // files are written on other threads
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
}

/// How often a condition is looked at before a test gives up.
const TURNS_MAX: usize = 20_000;
