//! `pintle kubelet`: a node agent alone, with upstream's flags. Flags win over the configuration file.

use super::agent::{self, Agent};
use super::kubelet_certificates::{ClientCredentials, ClientSetup, ServingSetup, serving};
use super::{health, shutdown};
use clap::{ArgAction, Args};
use client::{Client, Shutdown};
use clock::SharedClock;
use kubelet::{Config, KUBELET_VERSION, ManifestUrl, RetentionFields, parse_header, parse_labels, parse_taints};
use serde_json::Value;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Upstream's flags, as far as they mean something here.
#[derive(Debug, Args)]
pub struct KubeletFlags {
    /// Path to a kubeconfig file; without one, the kubelet runs static pods only.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Path to a kubeconfig file that is used to get a client certificate, when --kubeconfig does not exist yet.
    #[arg(long, value_name = "FILE")]
    bootstrap_kubeconfig: Option<PathBuf>,
    /// Path to a kubeconfig file of kube-proxy's identity, by which the node learns of the other nodes' pods.
    #[arg(long, value_name = "FILE", default_value = "/etc/kubernetes/kube-proxy.conf")]
    proxy_kubeconfig: PathBuf,
    /// The kubelet's configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The node's name, when it is not the host's.
    #[arg(long, value_name = "NAME")]
    hostname_override: Option<String>,
    /// The node's address.
    #[arg(long, value_name = "IP")]
    node_ip: Option<IpAddr>,
    /// A file or directory of static pods.
    #[arg(long, value_name = "PATH")]
    pod_manifest_path: Option<PathBuf>,
    /// A URL of static pods.
    #[arg(long, value_name = "URL")]
    manifest_url: Option<String>,
    /// `Name:value`, sent when the manifest URL is read; may be repeated or separated by commas.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    manifest_url_header: Vec<String>,
    /// Labels to register the node with.
    #[arg(long, value_name = "LABELS")]
    node_labels: Option<String>,
    /// Taints to register the node with.
    #[arg(long, value_name = "TAINTS")]
    register_with_taints: Option<String>,
    /// Address of the cluster's DNS.
    #[arg(long, value_name = "IPS", value_delimiter = ',')]
    cluster_dns: Vec<String>,
    /// The cluster's domain.
    #[arg(long, value_name = "DOMAIN")]
    cluster_domain: Option<String>,
    /// The cgroup above kubepods.
    #[arg(long, value_name = "CGROUP")]
    cgroup_root: Option<String>,
    /// cgroupfs or systemd.
    #[arg(long, value_name = "DRIVER")]
    cgroup_driver: Option<String>,
    /// The use of the disk, in percent, from which on images nobody uses go.
    #[arg(long, value_name = "PERCENT")]
    image_gc_high_threshold: Option<i32>,
    /// The use of the disk, in percent, down to which they go.
    #[arg(long, value_name = "PERCENT")]
    image_gc_low_threshold: Option<i32>,
    /// How long an image stays at the least.
    #[arg(long, value_name = "DURATION")]
    minimum_image_ttl_duration: Option<String>,
    /// The size from which on a container's log is rotated.
    #[arg(long, value_name = "BYTES")]
    container_log_max_size: Option<String>,
    /// How many files a container's log has at most.
    #[arg(long, value_name = "NUMBER")]
    container_log_max_files: Option<i32>,
    /// Where pods' files are kept.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kubelet")]
    root_dir: PathBuf,
    /// Where the kubelet's certificates are.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kubelet/pki")]
    cert_dir: PathBuf,
    /// Who signs the clients of the kubelet's API.
    #[arg(long, value_name = "FILE")]
    client_ca_file: Option<PathBuf>,
    /// The range of all pods.
    #[arg(long, value_name = "CIDR", default_value = "10.244.0.0/16")]
    cluster_cidr: network::Cidr,
    /// Where images and containers are kept.
    #[arg(long, value_name = "DIR", default_value = super::images::DEFAULT_ROOT)]
    runtime_root: PathBuf,
    /// Renew the client certificate before it ends.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rotate_certificates: Option<bool>,
    /// Ask the cluster to sign the serving certificate, and renew it before it ends.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rotate_server_certificates: Option<bool>,
    /// The certificate of the kubelet's API.
    #[arg(long, value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE")]
    tls_private_key_file: Option<PathBuf>,
    /// How much to log.
    #[arg(long, short, default_value_t = 2)]
    v: i32,
}

/// Runs the kubelet until it is told to stop.
pub async fn run(flags: KubeletFlags, clock: SharedClock) -> Result<(), Box<dyn Error>> {
    let shutdown = shutdown::on_signal()?;
    let document = flags.config.as_deref().map(read_document).transpose()?.unwrap_or(Value::Null);
    let mut config = Config::default();
    if !document.is_null() {
        config.apply_file(&document)?;
    }
    apply_flags(&mut config, &flags)?;
    serve_health(&document, &clock, &shutdown).await;
    let client = client(&flags, &document, &config, &clock, &shutdown).await?;
    // a node made by `join` has no identity of kube-proxy: its own may read what that needs (see `kubeadm::objects`)
    let proxy_client = match flags.proxy_kubeconfig.exists() && client.is_some() {
        true => Some(Client::from_kubeconfig(&flags.proxy_kubeconfig, &format!("kube-proxy/{KUBELET_VERSION}")).await?),
        false => client.clone(),
    };
    let client_ca = flags.client_ca_file.clone().or_else(|| {
        let file = document.pointer("/authentication/x509/clientCAFile");
        file.and_then(Value::as_str).map(PathBuf::from)
    });
    let client_ca_pem = client_ca.map(std::fs::read_to_string).transpose()?;
    let setup = serving_setup(&flags, &document)?;
    let serving = serving(setup, &config, client.as_ref(), &clock, &shutdown)?;
    let agent = Agent {
        config,
        client,
        proxy_client,
        cluster_cidr: flags.cluster_cidr,
        runtime_root: flags.runtime_root,
        run_dir: PathBuf::from(super::images::RUN_DIR),
        serving,
        client_ca_pem,
        clock,
    };
    Ok(agent::run(agent, shutdown).await?)
}

/// Upstream's `healthzPort`.
pub const HEALTH_PORT: u16 = 10248;

/// Several kubelets may share a machine in tests: one that finds the port taken does without, as upstream goes on, too.
async fn serve_health(document: &Value, clock: &SharedClock, shutdown: &Shutdown) {
    let port = document["healthzPort"].as_u64().map_or(Ok(HEALTH_PORT), u16::try_from).unwrap_or(HEALTH_PORT);
    if port == 0 {
        return;
    }
    let address = document["healthzBindAddress"].as_str().and_then(|text| text.parse().ok());
    let address = SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port);
    if let Err(error) = health::serve_plain(address, clock.clone(), shutdown.clone()).await {
        tracing::error!(%error, "Failed to start healthz server");
    }
}

fn read_document(path: &Path) -> Result<Value, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let decoded = api::codec::decode_yaml(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(decoded.value)
}

fn apply_flags(config: &mut Config, flags: &KubeletFlags) -> Result<(), Box<dyn Error>> {
    let hostname = nix::unistd::gethostname()?.to_string_lossy().to_lowercase();
    config.node_name = flags.hostname_override.clone().unwrap_or(hostname).to_lowercase();
    config.paths.root.clone_from(&flags.root_dir);
    if let Some(address) = flags.node_ip.or_else(own_address) {
        config.node_ips = vec![address];
    }
    if let Some(path) = &flags.pod_manifest_path {
        config.static_pod_path = Some(path.clone());
    }
    if let Some(url) = &flags.manifest_url {
        let headers = flags.manifest_url_header.iter().map(|text| {
            parse_header(text).ok_or_else(|| format!("--manifest-url-header: invalid value {text:?}: not Name:value"))
        });
        config.static_pod_url = Some(ManifestUrl { url: url.clone(), headers: headers.collect::<Result<_, _>>()? });
    }
    if let Some(labels) = &flags.node_labels {
        config.node_labels = parse_labels(labels);
    }
    if let Some(taints) = &flags.register_with_taints {
        let parsed = parse_taints(taints);
        config.register_with_taints =
            parsed.ok_or_else(|| format!("--register-with-taints: invalid taint spec: {taints}"))?;
    }
    if !flags.cluster_dns.is_empty() {
        config.cluster_dns.clone_from(&flags.cluster_dns);
    }
    for (to, from) in
        [(&mut config.cluster_domain, &flags.cluster_domain), (&mut config.cgroup_root, &flags.cgroup_root)]
    {
        if let Some(from) = from {
            to.clone_from(from);
        }
    }
    if let Some(driver) = &flags.cgroup_driver {
        config.set_cgroup_driver(driver.clone())?;
    }
    config.retention.apply(&RetentionFields {
        image_minimum_gc_age: flags.minimum_image_ttl_duration.clone(),
        image_gc_high_threshold_percent: flags.image_gc_high_threshold,
        image_gc_low_threshold_percent: flags.image_gc_low_threshold,
        container_log_max_size: flags.container_log_max_size.clone(),
        container_log_max_files: flags.container_log_max_files,
        ..RetentionFields::default()
    })?;
    Ok(())
}

/// The address by which this machine reaches others; nothing is sent to find out.
pub fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // any address outside: connecting a datagram socket only asks the routing table
    let routed = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()).map(|address| address.ip()).ok();
    let address = routed.filter(|address| !address.is_unspecified());
    address.or(Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)))
}

async fn client(
    flags: &KubeletFlags,
    document: &Value,
    config: &Config,
    clock: &SharedClock,
    shutdown: &Shutdown,
) -> Result<Option<Client>, Box<dyn Error>> {
    let Some(kubeconfig) = &flags.kubeconfig else { return Ok(None) };
    let credentials = ClientCredentials::new(ClientSetup {
        directory: flags.cert_dir.clone(),
        kubeconfig: kubeconfig.clone(),
        bootstrap: flags.bootstrap_kubeconfig.clone(),
        rotates: flags.rotate_certificates.or(document["rotateCertificates"].as_bool()).unwrap_or(false),
        node_name: config.node_name.clone(),
        agent: format!("kubelet/{KUBELET_VERSION}"),
    });
    Ok(Some(credentials.client(clock, shutdown).await.map_err(|error| error as Box<dyn Error>)?))
}

/// Where the serving certificate comes from: `tlsCertFile`, `tlsPrivateKeyFile`, `serverTLSBootstrap`.
fn serving_setup(flags: &KubeletFlags, document: &Value) -> Result<ServingSetup, Box<dyn Error>> {
    let file = |flag: &Option<PathBuf>, key: &str| {
        let field = document[key].as_str().filter(|path| !path.is_empty());
        flag.clone().or_else(|| field.map(PathBuf::from))
    };
    let files =
        match (file(&flags.tls_cert_file, "tlsCertFile"), file(&flags.tls_private_key_file, "tlsPrivateKeyFile")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("tlsCertFile and tlsPrivateKeyFile: one does not go without the other".into()),
        };
    let bootstrap = flags.rotate_server_certificates.or(document["serverTLSBootstrap"].as_bool()).unwrap_or(false);
    Ok(ServingSetup { directory: flags.cert_dir.clone(), files, bootstrap })
}
