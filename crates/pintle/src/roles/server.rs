//! `pintle server`: API server, scheduler and controllers in one process, and this machine's node unless told otherwise.
//! The components meet only through the API, each under its own identity.

use super::agent::{self, Agent};
use super::controller_manager::NAME as CONTROLLERS;
use super::datastore::{self, DatastoreFlags};
use super::election::ElectionFlags;
use super::kubelet::own_address;
use super::{direct, images, scheduler, shutdown};
use crate::kubeadm::{self, objects};
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

/// `--cluster-signing-duration`, in seconds: upstream's year.
const SIGNING_SECONDS_MAX: u64 = 365 * 24 * 3600;

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
        cert_dir: flags.cert_dir.clone().unwrap_or_else(|| flags.datastore.data_dir.join("pki")),
        clock,
    };
    std::fs::create_dir_all(&flags.datastore.data_dir)?;
    crate::renewal::renew_directory(&place.cert_dir, place.clock.now())?;
    let pki = pki(&place)?;
    let store = datastore::open(&flags.datastore, place.clock.clone()).await?;
    let server = Server::start(server_config(&flags, &place, &pki, store.store())?).await?;
    write_kubeconfigs(&flags, &place, &pki, server.address().port())?;
    tracing::info!(address = %server.address(), "serving");
    let mut control_plane = control_plane(&flags, &place, &pki, &server, &shutdown)?;
    if !flags.disable_controller_manager {
        control_plane.push(grants(&server, &place, &shutdown)?);
    }
    let agent = if flags.disable_agent { None } else { Some(node(&flags, &place, &pki, &server)?) };
    let result = match agent {
        Some(agent) => agent::run(agent, shutdown.clone()).await,
        None => {
            shutdown.cancelled().await;
            Ok(())
        }
    };
    shutdown.cancel();
    let ended = futures::future::join_all(control_plane).await;
    server.shutdown().await;
    store.close().await;
    result?;
    // a panic has been logged
    ended.into_iter().filter_map(Result::ok).collect::<Result<(), String>>().map_err(Into::into)
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
    store: Arc<dyn store::Store>,
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
        event_ttl_seconds: flags.datastore.event_ttl_seconds(),
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

fn write_kubeconfigs(flags: &ServerFlags, place: &Place, pki: &Pki, port: u16) -> Result<(), certs::CertError> {
    let Some(path) = &flags.write_kubeconfig else { return Ok(()) };
    let host =
        if flags.bind_address.is_unspecified() { "127.0.0.1".to_owned() } else { flags.bind_address.to_string() };
    let server = format!("https://{host}:{port}");
    let now = place.clock.now();
    certs::write_kubeconfig(path, &KubeconfigFile::SuperAdmin, &server, &pki.authority, now, true).map(drop)
}

/// A client in this process.
fn client(server: &Server, user: UserInfo, agent: &str) -> Result<Client, client::ConfigError> {
    direct::client(server.service(user), &format!("{agent}/{KUBELET_VERSION}"))
}

/// How a component of the control plane ended.
type Component = tokio::task::JoinHandle<Result<(), String>>;

/// Runs a component; where another server may run it too, only while this one leads.
fn spawn<F: Future<Output = ()> + Send + 'static>(
    flags: &ServerFlags,
    place: &Place,
    (name, client): (&'static str, Client),
    shutdown: &Shutdown,
    work: impl FnOnce(Shutdown) -> F + Send + 'static,
) -> Component {
    let election =
        ElectionFlags { leader_elect: elects(flags), leader_elect_resource_name: None, ..flags.election.clone() };
    let (clock, shutdown) = (place.clock.clone(), shutdown.clone());
    tokio::spawn(async move {
        let ended = election.run(name, &client, &clock, &shutdown, work).await;
        // another works now, or none can: this process must not go on by half
        ended.map_err(|error| error.to_string()).inspect_err(|error| {
            tracing::error!(component = name, error, "stopping");
            shutdown.cancel();
        })
    })
}

/// Whether there may be other servers to elect a leader with.
fn elects(flags: &ServerFlags) -> bool {
    flags.election.leader_elect && flags.datastore.is_shared()
}

const AUTHENTICATED: &str = "system:authenticated";

fn control_plane(
    flags: &ServerFlags,
    place: &Place,
    pki: &Pki,
    server: &Server,
    shutdown: &Shutdown,
) -> Result<Vec<Component>, Box<dyn Error>> {
    let mut tasks = Vec::new();
    // One for the scheduler and all controllers: each object is decoded and kept once in this process.
    let informers = client(server, UserInfo::new("system:kube-controller-manager", &[AUTHENTICATED]), CONTROLLERS)?;
    if !flags.disable_scheduler {
        let user = UserInfo::new("system:kube-scheduler", &[AUTHENTICATED]);
        let client = client(server, user, "kube-scheduler")?;
        let (clock, hostname) = (place.clock.clone(), place.node_name.clone());
        let (own, shared) = (client.clone(), informers.clone());
        let work = move |stop| scheduler::schedule(own, shared, clock, hostname, stop);
        tasks.push(spawn(flags, place, (scheduler::NAME, client), shutdown, work));
        if !elects(flags) {
            server.hosts(scheduler::NAME);
        }
    }
    if !flags.disable_controller_manager {
        let client_for = controller_clients(server, informers.clone());
        let settings = controllers::Settings {
            cluster_cidr: flags.cluster_cidr.to_string(),
            node_cidr_mask_size: NODE_CIDR_MASK_SIZE,
            root_ca: pki.authority.certificate_pem().to_owned(),
            signing: Some(signing(pki)?),
            selection: controllers::ControllerSelection::all(),
        };
        let (clock, client) = (place.clock.clone(), informers.clone());
        let work = move |stop| {
            controllers::run(controllers::Context { client_for, informers, clock, shutdown: stop, settings })
        };
        tasks.push(spawn(flags, place, (CONTROLLERS, client), shutdown, work));
        if !elects(flags) {
            server.hosts(CONTROLLERS);
        }
    }
    Ok(tasks)
}

/// What kubeadm grants in every cluster, and whoever has its kubeconfigs relies on: `admin.conf` is an administrator's, and
/// nodes get their next certificate without anyone's approval. Tried until it is done.
fn grants(server: &Server, place: &Place, shutdown: &Shutdown) -> Result<Component, client::ConfigError> {
    let user = UserInfo::new("kubernetes-super-admin", &["system:masters", AUTHENTICATED]);
    let (client, clock, stop) = (client(server, user, "kubeadm")?, place.clock.clone(), shutdown.clone());
    Ok(tokio::spawn(async move {
        for object in [objects::administrators(), objects::node_rotation()] {
            while let Err(error) = kubeadm::apply(&client, &object).await {
                tracing::warn!(path = object.path(), %error, "cannot grant; trying again");
                tokio::select! {
                    () = clock.sleep(GRANT_RETRY) => {}
                    () = stop.cancelled() => return Ok(()),
                }
            }
        }
        Ok(())
    }))
}

/// Between two attempts to write what is granted: the store may be away for a moment.
const GRANT_RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// The cluster's authority signs certificate requests: upstream's year at the longest.
fn signing(pki: &Pki) -> Result<controllers::Signing, certs::CertError> {
    let authority = certs::Authority::from_pem(pki.authority.certificate_pem(), &pki.authority.key_pem())?;
    Ok(controllers::Signing { authority: Arc::new(authority), validity_seconds_max: SIGNING_SECONDS_MAX })
}

/// Every controller acts as a service account of its own, as with `--use-service-account-credentials`.
fn controller_clients(server: &Server, fallback: Client) -> controllers::ClientFor {
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED];
    let any = server.service(UserInfo::anonymous());
    Arc::new(move |name| {
        let user = UserInfo::new(format!("system:serviceaccount:kube-system:{name}"), &groups);
        let service = any.acting_as(user);
        direct::client(service, &format!("{CONTROLLERS}/{KUBELET_VERSION}")).unwrap_or_else(|_| fallback.clone())
    })
}

/// This machine's node, its client in-process too.
fn node(flags: &ServerFlags, place: &Place, pki: &Pki, server: &Server) -> Result<Agent, Box<dyn Error>> {
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
    let names = [name.clone(), place.advertise_address.to_string()];
    Ok(Agent {
        config,
        client: Some(client(server, user, "kubelet")?),
        proxy_client: Some(client(server, UserInfo::new("system:kube-proxy", &[AUTHENTICATED]), "kube-proxy")?),
        cluster_cidr: flags.cluster_cidr,
        runtime_root: root.join("runtime"),
        run_dir: PathBuf::from(images::RUN_DIR),
        serving: certs::ServingCertificate::new(&pki.kubelet_serving(name, &names, place.clock.now())?)?,
        client_ca_pem: Some(pki.authority.certificate_pem().to_owned()),
        clock: place.clock.clone(),
    })
}
