//! The pod's sandbox: made, connected, given its files; taken down.

use super::Worker;
use crate::container_config::{host_ports, sandbox_config};
use crate::dns;
use crate::network::{NetworkError, NetworkRequest};
use crate::pod;
use crate::step::step;
use runtime::service::{NamespaceMode, PodSandboxStatus, RuntimeError, SandboxId};
use std::net::IpAddr;
use tracing::Instrument;

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub(super) enum SandboxError {
    /// The node's network is not up.
    #[error("network is not ready: {0}")]
    NetworkNotReady(NetworkError),
    /// The kernel does not take its host name.
    #[error(transparent)]
    Hostname(#[from] dns::HostnameTooLong),
    /// The runtime could not make it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// It could not be connected.
    #[error("failed to setup network for sandbox {sandbox:?}: {source}")]
    Network {
        /// Its id.
        sandbox: String,
        /// Why.
        source: NetworkError,
    },
    /// The pod's own files could not be written.
    #[error("write the pod's files: {0}")]
    Files(#[from] std::io::Error),
}

impl Worker {
    /// Makes a sandbox in place of those in `old`.
    pub(super) async fn create_sandbox(&mut self, old: &[SandboxId], attempt: u32) -> Result<(), SandboxError> {
        if !pod::host_network(&self.pod) {
            self.shared.network.status().map_err(SandboxError::NetworkNotReady)?;
        }
        if !old.is_empty() {
            self.events().pod_normal("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
        }
        for sandbox in old {
            self.stop_sandbox(sandbox).await?;
        }
        dns::check_sandbox_hostname(&self.pod, &self.shared.config.cluster_domain)?;
        self.addresses = None;
        self.files_written = false;
        let config = sandbox_config(&self.pod, &self.shared.config, attempt);
        let step = step!("runtime: sandbox", &self.pod);
        let sandbox = self.shared.runtime.run_pod_sandbox(config).instrument(step).await?;
        self.shared.sandbox_index.insert(sandbox.id.clone(), pod::uid(&self.pod));
        if let Err(error) = self.connect(&sandbox).await {
            // the next attempt begins with a new one
            if let Err(cleanup) = self.stop_sandbox(&sandbox.id).await {
                tracing::warn!(sandbox = %sandbox.id, error = %cleanup, "cannot stop a sandbox without network");
            }
            return Err(error);
        }
        Ok(())
    }

    /// Connects the newest sandbox if this worker has not done so: a new one, or one of a kubelet before this one.
    pub(super) async fn adopt_sandbox(&mut self) -> Result<(), SandboxError> {
        if self.addresses.is_some() {
            return Ok(());
        }
        let Some(sandbox) = self.observed.ready_sandbox().cloned() else { return Ok(()) };
        self.connect(&sandbox).await
    }

    async fn connect(&mut self, sandbox: &PodSandboxStatus) -> Result<(), SandboxError> {
        let addresses = match (&sandbox.netns_path, sandbox.network) {
            (_, NamespaceMode::Node) | (None, _) => Vec::new(),
            (Some(netns_path), _) => {
                let request = NetworkRequest {
                    sandbox_id: sandbox.id.0.clone(),
                    netns_path: netns_path.clone(),
                    host_ports: host_ports(&self.pod),
                };
                let step = step!("network: connect", &self.pod);
                let set_up = self.shared.network.setup(request).instrument(step).await;
                set_up.map_err(|source| SandboxError::Network { sandbox: sandbox.id.0.clone(), source })?
            }
        };
        self.addresses = Some(addresses);
        self.write_files(&self.pod_addresses())?;
        Ok(())
    }

    /// /etc/hosts, /etc/resolv.conf and /etc/hostname of the pod. Written in place, as containers have them mounted.
    fn write_files(&mut self, addresses: &[IpAddr]) -> std::io::Result<()> {
        if self.files_written {
            return Ok(());
        }
        let config = &self.shared.config;
        let uid = pod::uid(&self.pod).0;
        std::fs::create_dir_all(config.paths.pod(&uid))?;
        let node_hosts = match pod::host_network(&self.pod) {
            true => std::fs::read_to_string("/etc/hosts").unwrap_or_default(),
            false => String::new(),
        };
        let hosts = dns::hosts_file(&self.pod, addresses, &config.cluster_domain, &node_hosts);
        std::fs::write(config.paths.hosts(&uid), hosts)?;
        let node = std::fs::read_to_string(&config.resolv_conf).unwrap_or_default();
        let (resolver, warnings) =
            dns::pod_dns(&self.pod, &config.cluster_dns, &config.cluster_domain, &dns::parse_resolv_conf(&node));
        for warning in warnings {
            self.events().pod_warning("DNSConfigForming", &warning);
        }
        std::fs::write(config.paths.resolv_conf(&uid), dns::render_resolv_conf(&resolver))?;
        let hostname = dns::sandbox_hostname(&self.pod, &config.cluster_domain);
        std::fs::write(config.paths.hostname(&uid), format!("{hostname}\n"))?;
        self.files_written = true;
        Ok(())
    }

    /// Disconnects a sandbox and stops what is left in it.
    pub(super) async fn stop_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        if let Err(error) = self.shared.network.teardown(&sandbox.0).await {
            tracing::warn!(%sandbox, %error, "cannot take back a sandbox's network");
        }
        self.shared.runtime.stop_pod_sandbox(sandbox).await
    }
}
