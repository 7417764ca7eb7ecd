//! The pod network of one node: a bridge, a veth pair for each sandbox, addresses from the node's range, masquerading,
//! host ports, and routes to the other nodes. What the `bridge`, `host-local` and `portmap` CNI plugins do, in-process.

use crate::rules::{self, RulesError};
use crate::{
    AddressPool, Cidr, LinkError, Links, Namespace, NamespaceError, NodeRoute, PoolError, RouteChange, plan_routes,
};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

/// Transport protocol of a host port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

impl Protocol {
    /// The name that `nft` knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// A port of the node that leads to a port of a pod, on all of the node's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    /// Port of the node.
    pub host_port: u16,
    /// Port of the pod.
    pub container_port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// What a node's pod network is made of.
#[derive(Clone, Debug)]
pub struct PodNetworkConfig {
    /// The bridge's name; at most 15 bytes.
    pub bridge: String,
    /// This node's pod range (`spec.podCIDR`).
    pub pod_cidr: Cidr,
    /// The range of all nodes' pods (`--cluster-cidr`): within it nothing is masqueraded.
    pub cluster_cidr: Cidr,
    /// Where addresses and host ports are remembered over restarts.
    pub state_dir: PathBuf,
}

/// What can go wrong with the network of a pod or node.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A netlink request.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// No address.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Packet rules.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Remembered state.
    #[error("host port files in {directory}: {source}")]
    Ports {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The pod network of the node in whose network namespace this process is.
#[derive(Debug)]
pub struct PodNetwork {
    config: PodNetworkConfig,
    links: Links,
    pool: Mutex<AddressPool>,
    /// Host ports change the one table; and two kubelet workers must not write one pod's file at once.
    ports: Mutex<()>,
}

/// Name of the link inside every sandbox.
const POD_LINK: &str = "eth0";

impl PodNetwork {
    /// Brings the node's bridge, forwarding and packet rules up. Pods that were set up before keep everything.
    pub async fn open(config: PodNetworkConfig) -> Result<Self, NetworkError> {
        let namespace = Namespace::current()?;
        let links = Links::open(&namespace)?;
        let pool = AddressPool::open(config.state_dir.join("addresses"), config.pod_cidr)?;
        links.ensure_bridge(&config.bridge).await?;
        if let Some(gateway) = pool.gateway() {
            links.ensure_address(&config.bridge, gateway, config.pod_cidr.prefix_len()).await?;
        }
        namespace.sysctl("ipv4/ip_forward", "1")?;
        // a host port must also answer on 127.0.0.1
        namespace.sysctl(&format!("ipv4/conf/{}/route_localnet", config.bridge), "1")?;
        let network = Self { config, links, pool: Mutex::new(pool), ports: Mutex::new(()) };
        let ports = network.remembered_ports().await?;
        rules::load(None, &rules::table(network.config.pod_cidr, network.config.cluster_cidr, &ports)).await?;
        Ok(network)
    }

    /// Connects the namespace held by `namespace_path` and opens its host ports. Asking again for a sandbox that is
    /// connected changes nothing and gives the same address.
    pub async fn setup(
        &self,
        sandbox: &str,
        namespace_path: &Path,
        ports: &[HostPort],
    ) -> Result<Ipv4Addr, NetworkError> {
        let namespace = Namespace::open(namespace_path)?;
        let (address, gateway) = {
            let mut pool = self.pool.lock().await;
            (pool.allocate(sandbox)?, pool.gateway())
        };
        let veth = veth_name(sandbox);
        if self.links.index(&veth).await?.is_none() {
            self.links.add_veth(&veth, &self.config.bridge, POD_LINK, &namespace).await?;
        }
        self.links.set_hairpin(&veth).await?;
        let inside = Links::open(&namespace)?;
        inside.up("lo").await?;
        inside.ensure_address(POD_LINK, address, self.config.pod_cidr.prefix_len()).await?;
        inside.up(POD_LINK).await?;
        if let (Some(gateway), Some(everywhere)) = (gateway, Cidr::new(Ipv4Addr::UNSPECIFIED, 0)) {
            inside.ensure_route(everywhere, gateway).await?;
        }
        if !ports.is_empty() {
            self.open_ports(sandbox, address, ports).await?;
        }
        Ok(address)
    }

    /// Sets the loopback link of a sandbox up and nothing else: for tests and for pods without a network.
    pub async fn setup_loopback(namespace_path: &Path) -> Result<(), NetworkError> {
        Ok(Links::open(&Namespace::open(namespace_path)?)?.up("lo").await?)
    }

    /// Takes the sandbox's link, host ports and address back. Nothing happens for an unknown one.
    pub async fn teardown(&self, sandbox: &str) -> Result<(), NetworkError> {
        self.close_ports(sandbox).await?;
        self.links.remove(&veth_name(sandbox)).await?;
        self.pool.lock().await.release(sandbox)?;
        Ok(())
    }

    /// The address of a sandbox that is set up.
    pub async fn address_of(&self, sandbox: &str) -> Option<Ipv4Addr> {
        self.pool.lock().await.address_of(sandbox)
    }

    /// The sandboxes that hold an address: what a restarted kubelet compares with what still runs.
    pub async fn sandboxes(&self) -> Vec<String> {
        self.pool.lock().await.holders().map(str::to_owned).collect()
    }

    /// Makes the routes to other nodes' pods be exactly `wanted`.
    pub async fn set_node_routes(&self, wanted: &[NodeRoute]) -> Result<(), NetworkError> {
        let present = self.links.routes().await?;
        let present: Vec<NodeRoute> =
            present.into_iter().map(|(destination, gateway)| NodeRoute { destination, gateway }).collect();
        for change in plan_routes(self.config.cluster_cidr, &present, wanted) {
            match change {
                RouteChange::Remove(route) => self.links.remove_route(route.destination, route.gateway).await?,
                RouteChange::Add(route) => self.links.ensure_route(route.destination, route.gateway).await?,
            }
        }
        Ok(())
    }

    fn ports_dir(&self) -> PathBuf {
        self.config.state_dir.join("ports")
    }

    fn ports_error(&self, source: io::Error) -> NetworkError {
        NetworkError::Ports { directory: self.ports_dir(), source }
    }

    fn read_ports(&self, sandbox: &str) -> Result<Vec<HostPort>, NetworkError> {
        match std::fs::read(self.ports_dir().join(sandbox)) {
            // a file cut short by a crash says nothing: the sandbox is set up again, and its ports with it
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.ports_error(error)),
        }
    }

    async fn remembered_ports(&self) -> Result<Vec<(Ipv4Addr, HostPort)>, NetworkError> {
        let mut all: Vec<(Ipv4Addr, HostPort)> = Vec::new();
        for sandbox in self.sandboxes().await {
            let Some(address) = self.address_of(&sandbox).await else { continue };
            for port in self.read_ports(&sandbox)? {
                let taken = all.iter().any(|(_, p)| p.host_port == port.host_port && p.protocol == port.protocol);
                if !taken {
                    all.push((address, port));
                }
            }
        }
        Ok(all)
    }

    async fn open_ports(&self, sandbox: &str, address: Ipv4Addr, ports: &[HostPort]) -> Result<(), NetworkError> {
        let _guard = self.ports.lock().await;
        let present = self.read_ports(sandbox)?;
        let text: String =
            ports.iter().filter(|p| !present.contains(p)).map(|port| rules::add_port(address, port)).collect();
        if text.is_empty() {
            return Ok(());
        }
        rules::load(None, &text).await?;
        let bytes = serde_json::to_vec(ports).map_err(|e| self.ports_error(e.into()))?;
        std::fs::create_dir_all(self.ports_dir())
            .and_then(|()| std::fs::write(self.ports_dir().join(sandbox), bytes))
            .map_err(|e| self.ports_error(e))
    }

    async fn close_ports(&self, sandbox: &str) -> Result<(), NetworkError> {
        let _guard = self.ports.lock().await;
        let text: String = self.read_ports(sandbox)?.iter().map(rules::remove_port).collect();
        if text.is_empty() {
            return Ok(());
        }
        rules::load(None, &text).await?;
        std::fs::remove_file(self.ports_dir().join(sandbox)).map_err(|e| self.ports_error(e))
    }
}

/// Link names hold at most 15 bytes: eleven of the sandbox's id tell the sandboxes of a node apart.
fn veth_name(sandbox: &str) -> String {
    format!("veth{}", sandbox.get(..11).unwrap_or(sandbox))
}
