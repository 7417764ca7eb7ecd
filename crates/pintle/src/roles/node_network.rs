//! `network`'s pod network behind the kubelet's seam. The network opens when the node has been given its range.

use futures::FutureExt;
use futures::future::BoxFuture;
use kubelet::{NetworkError, NetworkRequest, PodNetworking};
use network::{Cidr, HostPort, PodNetwork, PodNetworkConfig, Protocol};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// The bridge between a node's pods, by the name that everyone's eyes look for.
const BRIDGE: &str = "cni0";

/// The pod network of this node.
#[derive(Debug)]
pub struct NodeNetwork {
    state_dir: PathBuf,
    cluster_cidr: Cidr,
    network: watch::Sender<Option<Arc<PodNetwork>>>,
    opening: tokio::sync::Mutex<()>,
}

impl NodeNetwork {
    /// A network that remembers its addresses in `state_dir`.
    pub fn new(state_dir: PathBuf, cluster_cidr: Cidr) -> Self {
        Self { state_dir, cluster_cidr, network: watch::Sender::new(None), opening: tokio::sync::Mutex::new(()) }
    }

    fn ready(&self) -> Result<Arc<PodNetwork>, NetworkError> {
        // upstream's words while no CNI configuration is there
        let missing = || NetworkError::new("cni plugin not initialized");
        self.network.borrow().clone().ok_or_else(missing)
    }

    async fn open(&self, pod_cidrs: Vec<String>) -> Result<(), NetworkError> {
        let pod_cidr: Cidr = match pod_cidrs.iter().find_map(|cidr| cidr.parse().ok()) {
            Some(cidr) => cidr,
            None => return Err(NetworkError::new(format!("no IPv4 range in {pod_cidrs:?}"))),
        };
        let _guard = self.opening.lock().await;
        if self.network.borrow().is_some() {
            return Ok(());
        }
        let config = PodNetworkConfig {
            bridge: BRIDGE.to_owned(),
            pod_cidr,
            cluster_cidr: self.cluster_cidr,
            state_dir: self.state_dir.clone(),
        };
        let network = PodNetwork::open(config).await.map_err(failed)?;
        self.network.send_replace(Some(Arc::new(network)));
        Ok(())
    }

    async fn connect(&self, request: NetworkRequest) -> Result<Vec<IpAddr>, NetworkError> {
        let ports: Vec<HostPort> = request.host_ports.iter().map(host_port).collect();
        let address = self.ready()?.setup(&request.sandbox_id, &request.netns_path, &ports).await;
        Ok(vec![address.map_err(failed)?.into()])
    }

    async fn route(&self, routes: Vec<kubelet::NodeRoute>) -> Result<(), NetworkError> {
        let wanted: Vec<network::NodeRoute> = routes.iter().filter_map(route).collect();
        self.ready()?.set_node_routes(&wanted).await.map_err(failed)
    }
}

fn failed(error: network::NetworkError) -> NetworkError {
    NetworkError { message: error.to_string(), source: Some(Box::new(error)) }
}

fn host_port(port: &kubelet::HostPort) -> HostPort {
    let protocol = match port.protocol {
        kubelet::Protocol::Tcp => Protocol::Tcp,
        kubelet::Protocol::Udp => Protocol::Udp,
        kubelet::Protocol::Sctp => Protocol::Sctp,
    };
    HostPort { host_port: port.host_port, container_port: port.container_port, protocol }
}

fn route(route: &kubelet::NodeRoute) -> Option<network::NodeRoute> {
    let gateway: Ipv4Addr = match route.node_address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => return None,
    };
    Some(network::NodeRoute { destination: route.pod_cidr.parse().ok()?, gateway })
}

impl PodNetworking for NodeNetwork {
    fn status(&self) -> Result<(), NetworkError> {
        self.ready().map(drop)
    }

    fn set_pod_cidrs(&self, pod_cidrs: Vec<String>) -> BoxFuture<'_, Result<(), NetworkError>> {
        self.open(pod_cidrs).boxed()
    }

    fn setup(&self, request: NetworkRequest) -> BoxFuture<'_, Result<Vec<IpAddr>, NetworkError>> {
        self.connect(request).boxed()
    }

    fn teardown<'a>(&'a self, sandbox_id: &'a str) -> BoxFuture<'a, Result<(), NetworkError>> {
        async move {
            match self.ready() {
                // nothing was ever connected
                Err(_) => Ok(()),
                Ok(network) => network.teardown(sandbox_id).await.map_err(failed),
            }
        }
        .boxed()
    }

    fn set_node_routes(&self, routes: Vec<kubelet::NodeRoute>) -> BoxFuture<'_, Result<(), NetworkError>> {
        self.route(routes).boxed()
    }
}
