//! What the HTTPS API needs of the kubelet: a view of its pods, and the runtime behind them.

use k8s_openapi::api::core::v1::Pod;
use runtime::service::{ContainerId, RuntimeService, SandboxId};
use std::path::PathBuf;
use std::sync::Arc;

/// One instance of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInstance {
    /// The runtime's id.
    pub id: ContainerId,
    /// The CRI log file, absolute.
    pub log_path: PathBuf,
    /// Its process runs now.
    pub running: bool,
}

/// The kubelet as its server sees it. All answers come from memory.
pub trait PodAccess: Send + Sync + std::fmt::Debug + 'static {
    /// All pods that this node runs, static ones included, with the status that the kubelet has for them now.
    fn pods(&self) -> Vec<Arc<Pod>>;

    /// One of them, by namespace and (full) name.
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>>;

    /// The latest instance of a container of that pod (init and ephemeral ones too), whether it runs or has ended; with
    /// `previous`, the one before. `None`: no such instance, or it has been removed.
    fn container(&self, namespace: &str, name: &str, container: &str, previous: bool) -> Option<ContainerInstance>;

    /// The pod's ready sandbox.
    fn sandbox(&self, namespace: &str, name: &str) -> Option<SandboxId>;

    /// The runtime that all ids belong to.
    fn runtime(&self) -> Arc<dyn RuntimeService>;
}
