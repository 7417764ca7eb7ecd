//! `pintle server`: API server, scheduler and controllers in one process, and this machine's node unless told otherwise.
//! The components meet only through the API, each under its own identity.

use super::agent::{self, Agent};
use super::kubelet::own_address;
use super::{images, shutdown};
use apiserver::security::{self, SecurityConfig};
use apiserver::{KubeletClient, Server, StaticTokens, UserInfo};
use certs::{ClientAuth, KubeconfigFile, Pki, PkiConfig, TokenSigner, TokenVerifier};
use clap::Args;
use client::{Client, Shutdown};
use clock::SharedClock;
use kubelet::KUBELET_VERSION;
use listenfd::ListenFd;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// kube-apiserver's, kube-scheduler's and kube-controller-manager's flags, as far as they mean something here.
#[derive(Debug, Args)]
pub struct ServerFlags {
    /// Where state, certificates and this machine's pods are kept.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/pintle/server")]
    data_dir: PathBuf,
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
    /// Where objects are kept: `embedded`.
    #[arg(long, value_name = "ENDPOINT", default_value = "embedded")]
    datastore_endpoint: String,
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
const NODE_CIDR_MASK_SIZE: u8 = 24;

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
    let place = Place {
        node_name: flags.node_name.clone().unwrap_or(hostname),
        advertise_address: flags.advertise_address.or_else(own_address).unwrap_or(flags.bind_address),
        cert_dir: flags.cert_dir.clone().unwrap_or_else(|| flags.data_dir.join("pki")),
        clock,
    };
    if flags.datastore_endpoint != "embedded" {
        let endpoint = &flags.datastore_endpoint;
        let text = format!("--datastore-endpoint: Unsupported value: {endpoint:?}: supported values: \"embedded\"");
        return Err(text.into());
    }
    std::fs::create_dir_all(&flags.data_dir)?;
    let pki = pki(&place)?;
    let store = Arc::new(store::Embedded::open(&flags.data_dir.join("state.redb"))?);
    let server = Server::start(server_config(&flags, &place, &pki, store.clone())?).await?;
    write_kubeconfigs(&flags, &place, &pki, server.address().port())?;
    tracing::info!(address = %server.address(), "serving");
    let control_plane = control_plane(&flags, &place, &pki, &server, &shutdown)?;
    let agent = if flags.disable_agent { None } else { Some(node(&flags, &place, &pki, &server)?) };
    let result = match agent {
        Some(agent) => agent::run(agent, shutdown.clone()).await,
        None => {
            shutdown.cancelled().await;
            Ok(())
        }
    };
    shutdown.cancel();
    futures::future::join_all(control_plane).await;
    server.shutdown().await;
    store.close().await;
    Ok(result?)
}

fn pki(place: &Place) -> Result<Pki, certs::CertError> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), place.advertise_address.to_string()];
    let config = PkiConfig {
        node_name: place.node_name.clone(),
        cluster_domain: "cluster.local".to_owned(),
        service_address: "10.96.0.1".to_owned(),
        extra_names: names.into(),
        etcd_names: Vec::new(),
    };
    certs::ensure(&place.cert_dir, &config, place.clock.now())
}

fn server_config(
    flags: &ServerFlags,
    place: &Place,
    pki: &Pki,
    store: Arc<store::Embedded>,
) -> Result<apiserver::Config, Box<dyn Error>> {
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
        kubelet: Some(KubeletClient::new(ca, &pki.api_server_kubelet_client)?),
    });
    Ok(apiserver::Config {
        store,
        clock: place.clock.clone(),
        bind: SocketAddr::new(flags.bind_address, flags.secure_port),
        listeners: inherited_listeners()?,
        tls: Some(certs::server_config(&pki.api_server, ClientAuth::Optional(ca), &[b"h2", b"http/1.1"])?),
        chain,
        advertise_address: place.advertise_address,
        service_cluster_ip_range: flags.service_cluster_ip_range.clone(),
        bootstrap: true,
    })
}

/// Listeners that whoever started us has bound (systemd's socket activation, or the supervisor of `up`).
fn inherited_listeners() -> std::io::Result<Vec<std::net::TcpListener>> {
    let mut inherited = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..inherited.len() {
        listeners.extend(inherited.take_tcp_listener(index)?);
    }
    Ok(listeners)
}

fn write_kubeconfigs(flags: &ServerFlags, place: &Place, pki: &Pki, port: u16) -> Result<(), certs::CertError> {
    let Some(path) = &flags.write_kubeconfig else { return Ok(()) };
    let host =
        if flags.bind_address.is_unspecified() { "127.0.0.1".to_owned() } else { flags.bind_address.to_string() };
    let server = format!("https://{host}:{port}");
    let now = place.clock.now();
    certs::write_kubeconfig(path, &KubeconfigFile::SuperAdmin, &server, &pki.authority, now, true).map(drop)
}

/// A client in this process: it passes the same authorization and admission as anyone.
fn client(server: &Server, user: UserInfo, agent: &str) -> Result<Client, client::ConfigError> {
    Client::from_service(server.service(user), &format!("{agent}/{KUBELET_VERSION}"))
}

const AUTHENTICATED: &str = "system:authenticated";

fn control_plane(
    flags: &ServerFlags,
    place: &Place,
    pki: &Pki,
    server: &Server,
    shutdown: &Shutdown,
) -> Result<Vec<tokio::task::JoinHandle<()>>, client::ConfigError> {
    let mut tasks = Vec::new();
    if !flags.disable_scheduler {
        let user = UserInfo::new("system:kube-scheduler", &[AUTHENTICATED]);
        let dependencies = scheduler::Dependencies {
            client: client(server, user, "kube-scheduler")?,
            clock: place.clock.clone(),
            rng: Box::new(rand::make_rng::<rand::rngs::StdRng>()),
        };
        let config =
            scheduler::Config { scheduler_name: "default-scheduler".to_owned(), hostname: place.node_name.clone() };
        tasks.push(tokio::spawn(scheduler::run(config, dependencies, shutdown.clone())));
    }
    if !flags.disable_controller_manager {
        let informers = client(server, UserInfo::new("system:kube-controller-manager", &[AUTHENTICATED]), CONTROLLERS)?;
        let client_for = controller_clients(server, informers.clone());
        let settings = controllers::Settings {
            cluster_cidr: flags.cluster_cidr.to_string(),
            node_cidr_mask_size: NODE_CIDR_MASK_SIZE,
            root_ca: pki.authority.certificate_pem().to_owned(),
        };
        let context = controllers::Context {
            client_for,
            informers,
            clock: place.clock.clone(),
            shutdown: shutdown.clone(),
            settings,
        };
        tasks.push(tokio::spawn(controllers::run(context)));
    }
    Ok(tasks)
}

const CONTROLLERS: &str = "kube-controller-manager";

/// Every controller acts as a service account of its own, as with `--use-service-account-credentials`.
fn controller_clients(server: &Server, fallback: Client) -> controllers::ClientFor {
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED];
    let any = server.service(UserInfo::anonymous());
    Arc::new(move |name| {
        let user = UserInfo::new(format!("system:serviceaccount:kube-system:{name}"), &groups);
        let service = any.acting_as(user);
        Client::from_service(service, &format!("{CONTROLLERS}/{KUBELET_VERSION}")).unwrap_or_else(|_| fallback.clone())
    })
}

/// This machine's node, its client in-process too.
fn node(flags: &ServerFlags, place: &Place, pki: &Pki, server: &Server) -> Result<Agent, Box<dyn Error>> {
    let name = &place.node_name;
    let user = UserInfo::new(format!("system:node:{name}"), &["system:nodes", AUTHENTICATED]);
    let root = flags.data_dir.join("agent");
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
    let names = [name.clone(), place.advertise_address.to_string()];
    Ok(Agent {
        config,
        client: Some(client(server, user, "kubelet")?),
        proxy_client: Some(client(server, UserInfo::new("system:kube-proxy", &[AUTHENTICATED]), "kube-proxy")?),
        cluster_cidr: flags.cluster_cidr,
        runtime_root: root.join("runtime"),
        run_dir: PathBuf::from(images::RUN_DIR),
        serving: Some(pki.kubelet_serving(name, &names, place.clock.now())?),
        client_ca_pem: Some(pki.authority.certificate_pem().to_owned()),
        clock: place.clock.clone(),
    })
}
