//! What all parts of one kubelet share: its settings, its mechanisms, and what is known of the node.

use crate::allocation::AllocationManager;
use crate::api_access::KubeletApi;
use crate::config::Config;
use crate::events::EventSink;
use crate::network::PodNetworking;
use crate::observed::Observed;
use crate::pod::PodUid;
use crate::resources::Amounts;
use crate::status_manager::StatusManager;
use crate::watches::ObjectWatches;
use clock::SharedClock;
use k8s_openapi::api::core::v1::Service;
use runtime::service::{ImageService, RuntimeService, SandboxId};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// What is known of the node and may change while the kubelet runs.
#[derive(Debug, Clone, Default)]
pub struct NodeFacts {
    /// Its addresses, the main one first.
    pub addresses: Vec<IpAddr>,
    /// Its labels, once it is registered.
    pub labels: BTreeMap<String, String>,
    /// The uid of its object.
    pub uid: Option<String>,
    /// What pods may use.
    pub allocatable: Amounts,
    /// What the machine has.
    pub capacity: Amounts,
}

impl NodeFacts {
    /// Memory of the machine, bytes.
    pub fn memory_bytes(&self) -> i64 {
        self.capacity.get("memory").map_or(i64::MAX, |amount| amount.value())
    }
}

/// Where the services for environment variables come from.
pub trait ServiceLister: Send + Sync + std::fmt::Debug {
    /// All services; `None` while they have not been read yet.
    fn services(&self) -> Option<Vec<Arc<Service>>>;
}

/// A kubelet without an API server knows no services.
#[derive(Debug)]
pub struct NoServices;

impl ServiceLister for NoServices {
    fn services(&self) -> Option<Vec<Arc<Service>>> {
        Some(Vec::new())
    }
}

/// Shared by all tasks of a kubelet.
#[derive(Debug)]
pub struct Shared {
    /// Settings.
    pub config: Config,
    /// Time.
    pub clock: SharedClock,
    /// Sandboxes and containers.
    pub runtime: Arc<dyn RuntimeService>,
    /// Images.
    pub images: Arc<dyn ImageService>,
    /// The pod network.
    pub network: Arc<dyn PodNetworking>,
    /// Reads all nodes, as kube-proxy may.
    pub proxy_client: Option<client::Client>,
    /// The API server, where there is one.
    pub api: Option<Arc<dyn KubeletApi>>,
    /// Events.
    pub events: Arc<dyn EventSink>,
    /// Statuses.
    pub statuses: Arc<StatusManager>,
    /// Services.
    pub services: Arc<dyn ServiceLister>,
    /// Watches on configMaps and secrets that pods use.
    pub watches: Arc<ObjectWatches>,
    /// The node.
    pub node: RwLock<NodeFacts>,
    /// What pods are granted.
    pub allocations: AllocationManager,
    /// Which pod a sandbox belongs to, for container events.
    pub sandbox_index: SandboxIndex,
    /// What workers saw last, for the HTTPS API.
    pub observed: ObservedCache,
}

impl Shared {
    /// A copy of what is known of the node.
    pub fn node(&self) -> NodeFacts {
        self.node.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Room may have come free: resizes that wait for it are looked at again.
    pub fn retry_resizes(&self) {
        let node = self.node.read().unwrap_or_else(PoisonError::into_inner);
        self.allocations.retry(&node.allocatable, self.clock.now());
    }
}

/// Which pod a sandbox belongs to.
#[derive(Debug, Default)]
pub struct SandboxIndex(Mutex<HashMap<SandboxId, PodUid>>);

impl SandboxIndex {
    /// Notes a sandbox down.
    pub fn insert(&self, sandbox: SandboxId, uid: PodUid) {
        self.lock().insert(sandbox, uid);
    }

    /// The pod of a sandbox.
    pub fn get(&self, sandbox: &SandboxId) -> Option<PodUid> {
        self.lock().get(sandbox).cloned()
    }

    /// Forgets the sandboxes of a pod.
    pub fn forget(&self, uid: &PodUid) {
        self.lock().retain(|_, owner| owner != uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SandboxId, PodUid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What workers saw last of their pods.
#[derive(Debug, Default)]
pub struct ObservedCache(Mutex<HashMap<PodUid, Arc<Observed>>>);

impl ObservedCache {
    /// Notes down what was seen.
    pub fn insert(&self, uid: PodUid, observed: Arc<Observed>) {
        self.lock().insert(uid, observed);
    }

    /// What was seen last.
    pub fn get(&self, uid: &PodUid) -> Option<Arc<Observed>> {
        self.lock().get(uid).cloned()
    }

    /// Forgets a pod.
    pub fn forget(&self, uid: &PodUid) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PodUid, Arc<Observed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
