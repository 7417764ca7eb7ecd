//! `pintle server`: API server, scheduler and controllers in one process, and this machine's node unless told otherwise.
//! The components meet only through the API, each under its own identity.

mod certificates;
mod control_plane;

use self::certificates::Certificates;
use self::control_plane::{AUTHENTICATED, client};
use super::agent::{self, Agent};
use super::datastore::{self, DatastoreFlags};
use super::election::ElectionFlags;
use super::kubelet::own_address;
use super::{images, shutdown};
use apiserver::security::{self, SecurityConfig};
use apiserver::{KubeletClient, Server, StaticTokens, UserInfo};
use certs::{ClientAuth, TokenSigner, TokenVerifier};
use clap::Args;
use clock::SharedClock;
use listenfd::ListenFd;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// kube-apiserver's, kube-scheduler's and kube-controller-manager's flags, as far as they mean something here.
#[derive(Debug, Args)]
pub struct ServerFlags {
    #[command(flatten)]
    datastore: DatastoreFlags,
    /// Of scheduler and controllers, where other servers may use the same store.
    #[command(flatten)]
    election: ElectionFlags,
    /// Where the certificates are, when not in the data directory.
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// The address to serve on.
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    bind_address: IpAddr,
    /// The port to serve HTTPS on.
    #[arg(long, value_name = "PORT", default_value_t = 6443)]
    secure_port: u16,
    /// The address by which others reach this server.
    #[arg(long, value_name = "IP")]
    advertise_address: Option<IpAddr>,
    /// Write the administrator's kubeconfig here.
    #[arg(long, value_name = "FILE")]
    write_kubeconfig: Option<PathBuf>,
    /// No node on this machine.
    #[arg(long)]
    disable_agent: bool,
    /// No scheduler.
    #[arg(long)]
    disable_scheduler: bool,
    /// No controllers.
    #[arg(long)]
    disable_controller_manager: bool,
    /// This machine's name as a node.
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// A file or directory of static pods for this machine's node.
    #[arg(long, value_name = "PATH")]
    pod_manifest_path: Option<PathBuf>,
    /// A bearer token for an administrator.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Where services get their addresses from.
    #[arg(long, value_name = "CIDR", default_value = "10.96.0.0/12")]
    service_cluster_ip_range: String,
    /// Where pods get their addresses from.
    #[arg(long, value_name = "CIDR", default_value = "10.244.0.0/16")]
    cluster_cidr: network::Cidr,
    /// The cgroup above this machine's pods.
    #[arg(long, value_name = "CGROUP", default_value = "")]
    cgroup_root: String,
}

/// Leading bits of a node's range of pod addresses: upstream's default.
pub const NODE_CIDR_MASK_SIZE: u8 = 24;

/// Where everything of this process is, and under which names.
struct Place {
    node_name: String,
    advertise_address: IpAddr,
    cert_dir: PathBuf,
    clock: SharedClock,
}

/// Runs until told to stop.
pub async fn run(flags: ServerFlags, clock: SharedClock) -> Result<(), Box<dyn Error>> {
    let shutdown = shutdown::on_signal()?;
    let hostname = nix::unistd::gethostname()?.to_string_lossy().to_lowercase();
    let place = Arc::new(Place {
        node_name: flags.node_name.clone().unwrap_or(hostname),
        advertise_address: flags.advertise_address.or_else(own_address).unwrap_or(flags.bind_address),
        cert_dir: flags.cert_dir.clone().unwrap_or_else(|| flags.datastore.data_dir.join("pki")),
        clock,
    });
    std::fs::create_dir_all(&flags.datastore.data_dir)?;
    let certificates = Certificates::open(&place, flags.write_kubeconfig.clone())?;
    let store = datastore::open(&flags.datastore, place.clock.clone()).await?;
    let server = Server::start(server_config(&flags, &place, &certificates, store.store())?).await?;
    certificates.write_kubeconfig(&place, &url(&flags, server.address().port()))?;
    tracing::info!(address = %server.address(), "serving");
    let mut components = control_plane::start(&flags, &place, &certificates.pki, &server, &shutdown)?;
    if !flags.disable_controller_manager {
        components.push(control_plane::grants(&server, &place, &shutdown)?);
    }
    let agent = if flags.disable_agent { None } else { Some(node(&flags, &place, &certificates, &server)?) };
    tokio::spawn(certificates.look_daily(place, shutdown.clone()));
    let result = match agent {
        Some(agent) => agent::run(agent, shutdown.clone()).await,
        None => {
            shutdown.cancelled().await;
            Ok(())
        }
    };
    shutdown.cancel();
    let ended = futures::future::join_all(components).await;
    server.shutdown().await;
    store.close().await;
    result?;
    // a panic has been logged
    ended.into_iter().filter_map(Result::ok).collect::<Result<(), String>>().map_err(Into::into)
}

/// Where the administrator of this machine finds the server.
fn url(flags: &ServerFlags, port: u16) -> String {
    let host =
        if flags.bind_address.is_unspecified() { "127.0.0.1".to_owned() } else { flags.bind_address.to_string() };
    format!("https://{host}:{port}")
}

fn server_config(
    flags: &ServerFlags,
    place: &Place,
    certificates: &Certificates,
    store: Arc<dyn store::Store>,
) -> Result<apiserver::Config, Box<dyn Error>> {
    let pki = &certificates.pki;
    let ca = pki.authority.certificate_pem();
    let mut static_tokens = StaticTokens::default();
    if let Some(token) = &flags.token {
        static_tokens.add_administrator(token);
    }
    let chain = security::chain(SecurityConfig {
        clock: place.clock.clone(),
        issuer: security::DEFAULT_ISSUER.to_owned(),
        audiences: Vec::new(),
        signer: Arc::new(TokenSigner::from_pem(&std::fs::read_to_string(pki.paths.key("sa"))?)?),
        verifier: TokenVerifier::new(pki.token_verifier.keys().iter().cloned()),
        static_tokens,
        anonymous: true,
        kubelet: Some(KubeletClient::new(Some(ca), &certificates.kubelet_client)?),
    });
    Ok(apiserver::Config {
        store,
        clock: place.clock.clone(),
        bind: SocketAddr::new(flags.bind_address, flags.secure_port),
        listeners: inherited_listeners()?,
        tls: Some(certs::changing_server_config(
            &certificates.serving,
            ClientAuth::Optional(ca),
            &[b"h2", b"http/1.1"],
        )?),
        chain,
        advertise_address: place.advertise_address,
        service_cluster_ip_range: flags.service_cluster_ip_range.clone(),
        event_ttl_seconds: flags.datastore.event_ttl_seconds(),
        front_proxy: Some(apiserver::FrontProxy {
            client: pki.front_proxy_client.clone(),
            authority_pem: pki.front_proxy_authority.certificate_pem().to_owned(),
            clients_authority_pem: ca.to_owned(),
        }),
        bootstrap: true,
    })
}

/// Listeners that whoever started us has bound (systemd's socket activation, or the supervisor of `up`).
pub fn inherited_listeners() -> std::io::Result<Vec<std::net::TcpListener>> {
    let mut inherited = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..inherited.len() {
        listeners.extend(inherited.take_tcp_listener(index)?);
    }
    Ok(listeners)
}

/// This machine's node, its client in-process too.
fn node(
    flags: &ServerFlags,
    place: &Place,
    certificates: &Certificates,
    server: &Server,
) -> Result<Agent, Box<dyn Error>> {
    let name = &place.node_name;
    let user = UserInfo::new(format!("system:node:{name}"), &["system:nodes", AUTHENTICATED]);
    let root = flags.datastore.data_dir.join("agent");
    let mut config = kubelet::Config {
        node_name: name.clone(),
        node_ips: vec![place.advertise_address],
        static_pod_path: flags.pod_manifest_path.clone(),
        cluster_dns: vec!["10.96.0.10".to_owned()],
        cluster_domain: "cluster.local".to_owned(),
        cgroup_root: flags.cgroup_root.clone(),
        ..kubelet::Config::default()
    };
    config.paths.root = root.join("kubelet");
    Ok(Agent {
        config,
        client: Some(client(server, user, "kubelet")?),
        proxy_client: Some(client(server, UserInfo::new("system:kube-proxy", &[AUTHENTICATED]), "kube-proxy")?),
        cluster_cidr: flags.cluster_cidr,
        runtime_root: root.join("runtime"),
        run_dir: PathBuf::from(images::RUN_DIR),
        serving: certificates.kubelet_serving.clone(),
        client_ca_pem: Some(certificates.pki.authority.certificate_pem().to_owned()),
        clock: place.clock.clone(),
    })
}
