//! A kubelet with all that it works with: runtime, network, HTTPS API. Shared by `pintle kubelet` and the node inside
//! `pintle server`.

use super::node_network::NodeNetwork;
use certs::ShownCertificate;
use client::{Client, Shutdown};
use clock::SharedClock;
use kubelet::server::{Delegation, ServerConfig, ServerError, Webhook};
use kubelet::{Config, Dependencies, Kubelet};
use network::Cidr;
use runtime::native::{CgroupDriver, NativeConfig, NativeRuntime};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a node agent is made of.
pub struct Agent {
    /// The kubelet's settings.
    pub config: Config,
    /// The API server; `None`: static pods only.
    pub client: Option<Client>,
    /// The API server under the identity of kube-proxy, which may read all nodes: for routes to their pods.
    pub proxy_client: Option<Client>,
    /// `--cluster-cidr`
    pub cluster_cidr: Cidr,
    /// Images, records and writable layers.
    pub runtime_root: PathBuf,
    /// Namespaces and sockets.
    pub run_dir: PathBuf,
    /// The serving certificate.
    pub serving: ShownCertificate,
    /// Who signs the clients of the HTTPS API, PEM; `None`: the API is not served.
    pub client_ca_pem: Option<String>,
    /// Time.
    pub clock: SharedClock,
}

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The runtime.
    #[error("container runtime: {0}")]
    Runtime(#[from] runtime::service::RuntimeError),
    /// The HTTPS API.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Runs the agent until `shutdown`. Containers go on running after it.
pub async fn run(agent: Agent, shutdown: Shutdown) -> Result<(), AgentError> {
    let Agent { config, client, proxy_client, cluster_cidr, runtime_root, run_dir, serving, client_ca_pem, clock } =
        agent;
    let mut native = NativeConfig::new(&runtime_root, &run_dir, clock.clone());
    if config.cgroup_driver == "systemd" {
        native.cgroup_driver = CgroupDriver::Systemd;
    }
    let runtime = NativeRuntime::open(native).await?;
    let runtime = Arc::new(runtime);
    let network = NodeNetwork::new(runtime_root.join("network"), cluster_cidr);
    let address = SocketAddr::new(config.address, config.port);
    let bound = match client_ca_pem {
        None => None,
        Some(client_ca_pem) => {
            let mut server = ServerConfig::new(address, serving, client_ca_pem);
            let webhook = |client: &Client| Webhook::new(client.clone(), clock.clone(), config.node_name.clone());
            server.delegation = client.as_ref().map(|client| Arc::new(webhook(client)) as Arc<dyn Delegation>);
            Some(kubelet::server::bind(server).await?)
        }
    };
    let dependencies = Dependencies {
        client,
        proxy_client,
        runtime: runtime.clone(),
        images: runtime,
        network: Arc::new(network),
        clock: clock.clone(),
    };
    let kubelet = Kubelet::new(config, dependencies, &shutdown);
    if let Some(bound) = bound {
        tokio::spawn(bound.run(kubelet.clone(), clock, shutdown.clone()));
    }
    kubelet.run(shutdown).await;
    Ok(())
}
