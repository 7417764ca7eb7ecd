//! The seam to the pod network: what the kubelet needs of it, as a trait, so that tests and CNI plugins can stand behind it.

use futures::future::BoxFuture;
use std::net::IpAddr;
use std::path::PathBuf;

/// Transport protocol of a host port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// A port of the node that leads to a port of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Port of the node.
    pub host_port: u16,
    /// Port of the pod.
    pub container_port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Only on this address of the node; all when `None`.
    pub host_ip: Option<IpAddr>,
}

/// What a sandbox needs of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRequest {
    /// Whose.
    pub sandbox_id: String,
    /// Its network namespace.
    pub netns_path: PathBuf,
    /// Ports of the node that lead into it.
    pub host_ports: Vec<HostPort>,
}

/// A route to the pods of another node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeRoute {
    /// The other node's pod range, such as `10.244.1.0/24`.
    pub pod_cidr: String,
    /// The other node's address.
    pub node_address: IpAddr,
}

/// Why the network could not do it, in words for the event.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct NetworkError {
    /// In words.
    pub message: String,
    /// The mechanism's error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl NetworkError {
    /// An error of words only.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }
}

/// The pod network of this node. All verbs are idempotent.
pub trait PodNetworking: Send + Sync + std::fmt::Debug + 'static {
    /// Whether [`PodNetworking::setup`] can work now; else why not, for the node's Ready condition (`cni plugin not initialized`).
    fn status(&self) -> Result<(), NetworkError>;

    /// Tells the network which range this node's pods get their addresses from.
    fn set_pod_cidrs(&self, pod_cidrs: Vec<String>) -> BoxFuture<'_, Result<(), NetworkError>>;

    /// Connects a sandbox and returns its addresses; for one that is connected, the addresses that it has.
    fn setup(&self, request: NetworkRequest) -> BoxFuture<'_, Result<Vec<IpAddr>, NetworkError>>;

    /// Takes back what [`PodNetworking::setup`] gave. The namespace may be gone already.
    fn teardown<'a>(&'a self, sandbox_id: &'a str) -> BoxFuture<'a, Result<(), NetworkError>>;

    /// Makes these the routes to other nodes' pods; others that were set before go.
    fn set_node_routes(&self, routes: Vec<NodeRoute>) -> BoxFuture<'_, Result<(), NetworkError>>;
}
