//! `pintle join`: makes this machine a worker node of a cluster that there is, in kubeadm's order and words.

use super::discovery::{self, ClusterInfo, Discovery};
use super::settings::{ExtraArgs, JoinSettings, KUBERNETES_DIR, pki_dir};
use super::{config_file, files, kubelet_service, preflight, wait_until};
use crate::node_files;
use certs::{BootstrapToken, Credentials};
use clap::Args;
use client::{Client, ObjectKey};
use clock::SharedClock;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use serde_json::Value;
use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// kubeadm's flags.
#[derive(Debug, Args)]
pub struct JoinFlags {
    /// The API server: HOST:PORT.
    endpoint: Option<String>,
    /// Use this token for both discovery-token and tls-bootstrap-token when those values are not provided.
    #[arg(long, value_name = "TOKEN")]
    token: Option<BootstrapToken>,
    /// For token-based discovery, the token used to validate cluster information fetched from the API server.
    #[arg(long, value_name = "TOKEN")]
    discovery_token: Option<BootstrapToken>,
    /// The token used to temporarily authenticate with the Kubernetes Control Plane while joining the node.
    #[arg(long, value_name = "TOKEN")]
    tls_bootstrap_token: Option<BootstrapToken>,
    /// For token-based discovery, validate that the root CA public key matches this hash (format: "sha256:<hex>").
    #[arg(long, value_name = "HASHES", value_delimiter = ',')]
    discovery_token_ca_cert_hash: Vec<String>,
    /// For token-based discovery, allow joining without --discovery-token-ca-cert-hash pinning.
    #[arg(long)]
    discovery_token_unsafe_skip_ca_verification: bool,
    /// For file-based discovery, a file from which to load cluster information.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["discovery_token", "endpoint"])]
    discovery_file: Option<PathBuf>,
    /// Specify the node name.
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// The node's address, when it is not that of the default route.
    #[arg(long, value_name = "IP")]
    node_ip: Option<IpAddr>,
    /// Path to a kubeadm configuration file (kubeadm.k8s.io/v1beta4).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["endpoint", "token", "discovery_token", "tls_bootstrap_token",
        "discovery_token_ca_cert_hash", "discovery_token_unsafe_skip_ca_verification", "discovery_file"])]
    config: Option<PathBuf>,
    /// A list of checks whose errors will be shown as warnings. Value 'all' ignores errors from all checks.
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    ignore_preflight_errors: Vec<String>,
}

type Done = Result<(), Box<dyn Error>>;

/// Joins the cluster.
///
/// # Errors
/// What keeps the node out.
pub async fn run(flags: JoinFlags, clock: SharedClock) -> Done {
    let settings = settings(&flags)?;
    check(&settings)?;
    println!("[preflight] Running pre-flight checks");
    preflight::report(&preflight::join(&settings.node_name), &settings.ignored_checks)?;
    let (info, kubeconfig) = discover(&settings, &clock).await.map_err(|error| {
        format!("execution phase preflight: couldn't validate the identity of the API Server: {error}")
    })?;
    let bootstrap = bootstrap_conf();
    files::write_private(&bootstrap, &kubeconfig.to_yaml())?;
    let done = join(&settings, flags.node_ip, &info, &clock).await;
    if done.is_err() {
        // the secret is not left lying about
        files::remove(&bootstrap)?;
    }
    done?;
    println!(
        "
This node has joined the cluster:
* Certificate signing request was sent to apiserver and a response was received.
* The Kubelet was informed of the new secure connection details.

Run 'kubectl get nodes' on the control-plane to see this node join the cluster.
"
    );
    Ok(())
}

fn bootstrap_conf() -> PathBuf {
    Path::new(KUBERNETES_DIR).join("bootstrap-kubelet.conf")
}

fn settings(flags: &JoinFlags) -> Result<JoinSettings, Box<dyn Error>> {
    let mut settings = JoinSettings::new(files::host_name()?);
    match &flags.config {
        Some(path) => config_file::join::apply(&mut settings, &config_file::read(path)?)?,
        None => {
            settings.endpoint.clone_from(&flags.endpoint);
            settings.token = flags.discovery_token.clone().or_else(|| flags.token.clone());
            settings.tls_bootstrap_token = flags.tls_bootstrap_token.clone().or_else(|| flags.token.clone());
            settings.ca_cert_hashes.clone_from(&flags.discovery_token_ca_cert_hash);
            settings.skips_ca_verification = flags.discovery_token_unsafe_skip_ca_verification;
            settings.file.clone_from(&flags.discovery_file);
        }
    }
    if let Some(name) = &flags.node_name {
        settings.node_name = name.trim().to_lowercase();
    }
    settings.ignored_checks.extend(flags.ignore_preflight_errors.iter().cloned());
    Ok(settings)
}

fn check(settings: &JoinSettings) -> Result<(), String> {
    if settings.file.is_some() {
        return Ok(());
    }
    if settings.endpoint.is_none() {
        return Err(
            "discovery: Invalid value: \"\": bootstrapToken or file must be set: name the API server, HOST:PORT"
                .to_owned(),
        );
    }
    if settings.token.is_none() {
        return Err("discovery.bootstrapToken.token: Invalid value: \"\": the bootstrap token is invalid".to_owned());
    }
    if settings.ca_cert_hashes.is_empty() && !settings.skips_ca_verification {
        return Err("discovery.bootstrapToken: Invalid value: \"\": using token-based discovery without caCertHashes can be unsafe. Set unsafeSkipCAVerification as true in your kubeadm config file or pass --discovery-token-unsafe-skip-ca-verification flag to continue".to_owned());
    }
    let is_hash = |text: &String| {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match settings.ca_cert_hashes.iter().find(|hash| !is_hash(hash)) {
        Some(hash) => Err(format!(
            "discovery.bootstrapToken.caCertHashes: Invalid value: {hash:?}: invalid public key hash, expected \"sha256:<hex>\""
        )),
        None => Ok(()),
    }
}

async fn discover(
    settings: &JoinSettings,
    clock: &SharedClock,
) -> Result<(ClusterInfo, certs::Kubeconfig), Box<dyn Error>> {
    if let Some(path) = &settings.file {
        let (info, kubeconfig) = discovery::by_file(path)?;
        return match (&settings.tls_bootstrap_token, &kubeconfig.credentials) {
            (Some(token), _) => Ok((info.clone(), info.with_token(token))),
            (None, Credentials::None) => {
                Err("the discovery file has no credentials: pass --tls-bootstrap-token".into())
            }
            (None, _) => Ok((info, kubeconfig)),
        };
    }
    let (Some(endpoint), Some(token)) = (&settings.endpoint, &settings.token) else {
        return Err("the API server and a token are needed".into());
    };
    let limit = settings.discovery_limit;
    let asked = Discovery { endpoint, token, ca_cert_hashes: &settings.ca_cert_hashes, limit };
    let info = discovery::by_token(&asked, clock).await?;
    let kubeconfig = info.with_token(settings.tls_bootstrap_token.as_ref().unwrap_or(token));
    Ok((info, kubeconfig))
}

async fn join(settings: &JoinSettings, node_ip: Option<IpAddr>, info: &ClusterInfo, clock: &SharedClock) -> Done {
    let node_name = settings.node_name.as_str();
    let client = super::client(&bootstrap_conf()).await?;
    refuse_taken_name(&client, node_name).await?;
    println!("[preflight] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"...");
    let cluster = configuration(&client, "kubeadm-config", "ClusterConfiguration").await?;
    let kubelet = configuration(&client, "kubelet-config", "kubelet").await?;
    files::write(&pki_dir().join("ca.crt"), &info.certificate_authority)?;
    kubelet_service::install()?;
    println!("[kubelet-start] Writing kubelet configuration to file {:?}", node_files::CONFIG_PATH);
    files::write(Path::new(node_files::CONFIG_PATH), &api::codec::encode_yaml(&kubelet))?;
    println!("[kubelet-start] Writing kubelet environment file with flags to file {:?}", node_files::FLAGS_PATH);
    let mut words: ExtraArgs = vec![("hostname-override".to_owned(), node_name.to_owned())];
    if let Some(address) = node_ip.or_else(files::own_address) {
        words.push(("node-ip".to_owned(), address.to_string()));
    }
    if let Some(subnet) = cluster.pointer("/networking/podSubnet").and_then(Value::as_str) {
        words.push(("cluster-cidr".to_owned(), subnet.to_owned()));
    }
    if let Some(taints) = settings.taints.as_ref().filter(|taints| !taints.is_empty()) {
        words.push(("register-with-taints".to_owned(), taints_flag(taints)));
    }
    words.extend(settings.kubelet_extra_args.iter().cloned());
    kubelet_service::write_flags(&words)?;
    std::fs::create_dir_all(node_files::MANIFESTS_PATH).map_err(files::at(Path::new(node_files::MANIFESTS_PATH)))?;
    println!("[kubelet-start] Starting the kubelet");
    kubelet_service::start(clock).await?;
    println!("[kubelet-start] Waiting for the kubelet to perform the TLS Bootstrap");
    let kubelet_conf = Path::new(KUBERNETES_DIR).join("kubelet.conf");
    let bootstrapped = wait_until(clock, || async { kubelet_conf.exists() }).await;
    if bootstrapped.is_none() {
        kubelet_service::stop(clock).await?;
        let log = if kubelet_service::has_systemd() { "journalctl -xeu kubelet" } else { kubelet_service::LOG_FILE };
        return Err(format!("the kubelet got no certificate: see {log}").into());
    }
    // the secret has done its work
    files::remove(&bootstrap_conf())?;
    Ok(())
}

/// `key=value:effect,…`, as kubeadm hands taints to the kubelet.
fn taints_flag(taints: &[Value]) -> String {
    let text = |taint: &Value, key: &str| taint[key].as_str().unwrap_or_default().to_owned();
    let one = |taint: &Value| format!("{}={}:{}", text(taint, "key"), text(taint, "value"), text(taint, "effect"));
    taints.iter().map(one).collect::<Vec<_>>().join(",")
}

/// A second node of the same name would take over the pods of the first.
async fn refuse_taken_name(client: &Client, node_name: &str) -> Done {
    let Some(node) = client.get_opt::<Node>(&ObjectKey::cluster(node_name)).await? else { return Ok(()) };
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    if conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True") {
        return Err(format!(
            "a Node with name {node_name:?} and status \"Ready\" already exists in the cluster. You must delete the existing Node or change the name of this new joining Node"
        )
        .into());
    }
    Ok(())
}

async fn configuration(client: &Client, map: &str, key: &str) -> Result<Value, Box<dyn Error>> {
    let found = client
        .get::<ConfigMap>(&ObjectKey::namespaced("kube-system", map))
        .await
        .map_err(|error| format!("failed to get config map {map:?}: {error}"))?;
    let text =
        found.data.unwrap_or_default().remove(key).ok_or_else(|| format!("config map {map:?} has no {key:?}"))?;
    Ok(api::codec::decode_yaml(text.as_bytes())?.value)
}
