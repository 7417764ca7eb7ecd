//! `pintle agent --simulate N`: nodes that only exist in the API of a server elsewhere, to try it at a size.

use super::shutdown;
use clap::Args;
use client::Client;
use clock::SharedClock;
use kubelet::KUBELET_VERSION;
use simulate::Config;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// Which server, and what is simulated there.
#[derive(Debug, Args)]
pub struct AgentFlags {
    /// The server's URL.
    #[arg(long, value_name = "URL", required_unless_present = "kubeconfig", requires = "token")]
    server: Option<String>,
    /// A bearer token that may write nodes, leases and the status of pods.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The server's certificate authority (PEM). Without it the server is not verified.
    #[arg(long, value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
    /// The way to the server, instead of --server and --token.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    kubeconfig: Option<PathBuf>,
    /// Simulate so many nodes.
    #[arg(long, value_name = "N", required = true)]
    simulate: usize,
    /// Nodes are called PREFIX-0, PREFIX-1, …
    #[arg(long, value_name = "PREFIX", default_value = "simulated")]
    node_name_prefix: String,
    /// Zones over which the nodes are spread; 0: none.
    #[arg(long, value_name = "N", default_value_t = 3)]
    zones: usize,
    /// Cores of each node.
    #[arg(long, value_name = "N", default_value_t = 32)]
    node_cpu_cores: u32,
    /// Memory of each node, in GiB.
    #[arg(long, value_name = "N", default_value_t = 256)]
    node_memory_gib: u32,
    /// Pods that each node takes.
    #[arg(long, value_name = "N", default_value_t = 110)]
    max_pods: u32,
    /// From being bound to Running, in milliseconds.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pod_start_milliseconds: u64,
    /// From Running to Succeeded for pods of Jobs, in milliseconds.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pod_run_milliseconds: u64,
    /// From being deleted to being gone, in milliseconds.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pod_stop_milliseconds: u64,
}

/// Runs until told to stop. The nodes stay in the API, as machines that are switched off do.
pub async fn run(flags: AgentFlags, clock: SharedClock) -> Result<(), Box<dyn Error>> {
    let shutdown = shutdown::on_signal()?;
    let client = client(&flags).await?;
    let config = Config {
        nodes: flags.simulate,
        prefix: flags.node_name_prefix,
        zones: flags.zones,
        cpu_cores: flags.node_cpu_cores,
        memory_gib: flags.node_memory_gib,
        pods: flags.max_pods,
        start_delay: Duration::from_millis(flags.pod_start_milliseconds),
        run_delay: Duration::from_millis(flags.pod_run_milliseconds),
        stop_delay: Duration::from_millis(flags.pod_stop_milliseconds),
    };
    simulate::run(config, client, clock, shutdown).await;
    Ok(())
}

async fn client(flags: &AgentFlags) -> Result<Client, Box<dyn Error>> {
    let agent = format!("pintle-simulate/{KUBELET_VERSION}");
    if let Some(kubeconfig) = &flags.kubeconfig {
        return Ok(Client::from_kubeconfig(kubeconfig, &agent).await?);
    }
    let server = flags.server.as_deref().unwrap_or_default();
    let url = server.parse().map_err(|error| format!("--server: Invalid value: {server:?}: {error}"))?;
    let mut config = kube::Config::new(url);
    config.auth_info.token = flags.token.clone().map(Into::into);
    match &flags.certificate_authority {
        Some(_) => config.root_cert_file.clone_from(&flags.certificate_authority),
        None => {
            tracing::warn!(server, "no --certificate-authority: the server is not verified");
            config.accept_invalid_certs = true;
        }
    }
    Ok(Client::from_config(config, &agent)?)
}
