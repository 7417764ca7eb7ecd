//! `pintle kube-apiserver`: the API server alone, with upstream's flags.

use super::datastore::{self, DatastoreFlags};
use super::serving::Serving;
use super::{certificate_files, server, shutdown};
use apiserver::security::{self, SecurityConfig};
use apiserver::{KubeletClient, Server, StaticTokens};
use certs::{ClientAuth, TokenSigner, TokenVerifier};
use clap::{ArgAction, Args};
use client::Shutdown;
use clock::SharedClock;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// kube-apiserver's flags, as far as they mean something here.
#[derive(Debug, Args)]
pub struct ApiServerFlags {
    /// The address by which others reach this server.
    #[arg(long, value_name = "IP")]
    advertise_address: Option<IpAddr>,
    /// The address to serve on.
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    bind_address: IpAddr,
    /// The port to serve HTTPS on.
    #[arg(long, value_name = "PORT", default_value_t = 6443)]
    secure_port: u16,
    #[command(flatten)]
    serving: Serving,
    /// Who signs clients.
    #[arg(long, value_name = "FILE")]
    client_ca_file: Option<PathBuf>,
    #[command(flatten)]
    datastore: DatastoreFlags,
    /// The issuer of service-account tokens.
    #[arg(long, value_name = "URL", default_value = security::DEFAULT_ISSUER)]
    service_account_issuer: String,
    /// Audiences of tokens that are for this server; the issuer when there are none.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    api_audiences: Vec<String>,
    /// Public (or private) keys that service-account tokens may be signed with; may be repeated.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    service_account_key_file: Vec<PathBuf>,
    /// The key that service-account tokens are signed with.
    #[arg(long, value_name = "FILE")]
    service_account_signing_key_file: PathBuf,
    /// Where services get their addresses from.
    #[arg(long, value_name = "CIDR", default_value = "10.0.0.0/24")]
    service_cluster_ip_range: String,
    /// Requests without credentials are those of `system:anonymous`.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    anonymous_auth: bool,
    /// Lines of `token,user,uid,"group1,group2"`.
    #[arg(long, value_name = "FILE")]
    token_auth_file: Option<PathBuf>,
    /// Who signs kubelets' serving certificates; without it they are not verified.
    #[arg(long, value_name = "FILE")]
    kubelet_certificate_authority: Option<PathBuf>,
    /// The certificate to show to kubelets.
    #[arg(long, value_name = "FILE", requires = "kubelet_client_key")]
    kubelet_client_certificate: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE", requires = "kubelet_client_certificate")]
    kubelet_client_key: Option<PathBuf>,
    #[command(flatten)]
    stages: Stages,
    /// How much to log.
    #[arg(long, short, default_value_t = 2)]
    v: i32,
}

/// Flags that choose among stages which are all on here: what cannot be is refused.
#[derive(Debug, Args)]
struct Stages {
    /// `Node,RBAC` is what there is.
    #[arg(long, value_name = "MODES", value_delimiter = ',', default_value = "Node,RBAC")]
    authorization_mode: Vec<String>,
    /// Plugins beside the default ones.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    enable_admission_plugins: Vec<String>,
    /// Plugins to turn off.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    disable_admission_plugins: Vec<String>,
    /// Privileged containers may run.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_privileged: bool,
    /// Bootstrap tokens are credentials.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_bootstrap_token_auth: bool,
}

/// Plugins of upstream that this server does not have: enabling them asks for something that would not happen.
const MISSING_PLUGINS: [&str; 8] = [
    "AlwaysAdmit",
    "AlwaysDeny",
    "AlwaysPullImages",
    "DenyServiceExternalIPs",
    "EventRateLimit",
    "ExtendedResourceToleration",
    "ImagePolicyWebhook",
    "PodNodeSelector",
];

impl Stages {
    fn check(&self) -> Result<(), String> {
        for mode in &self.authorization_mode {
            if mode != "Node" && mode != "RBAC" {
                return Err(format!(
                    "--authorization-mode: Unsupported value: {mode:?}: supported values: \"Node\", \"RBAC\""
                ));
            }
        }
        if let Some(name) = self.enable_admission_plugins.iter().find(|name| MISSING_PLUGINS.contains(&name.as_str())) {
            return Err(format!("--enable-admission-plugins: {name:?} is not part of this build"));
        }
        if let Some(name) = self.disable_admission_plugins.iter().find(|name| !MISSING_PLUGINS.contains(&name.as_str()))
        {
            return Err(format!("--disable-admission-plugins: {name:?} cannot be turned off in this build"));
        }
        for (flag, on) in [
            ("allow-privileged", self.allow_privileged),
            ("enable-bootstrap-token-auth", self.enable_bootstrap_token_auth),
        ] {
            if !on {
                return Err(format!("--{flag}: Unsupported value: false: it cannot be turned off in this build"));
            }
        }
        Ok(())
    }
}

/// Runs until told to stop.
pub async fn run(flags: ApiServerFlags, clock: SharedClock) -> Result<(), Box<dyn Error>> {
    let shutdown = shutdown::on_signal()?;
    flags.stages.check()?;
    let store = datastore::open(&flags.datastore, clock.clone()).await?;
    let config = config(&flags, clock, store.store(), &shutdown)?;
    let server = Server::start(config).await?;
    tracing::info!(address = %server.address(), "serving");
    shutdown.cancelled().await;
    server.shutdown().await;
    store.close().await;
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn config(
    flags: &ApiServerFlags,
    clock: SharedClock,
    store: Arc<dyn store::Store>,
    shutdown: &Shutdown,
) -> Result<apiserver::Config, Box<dyn Error>> {
    let signing_key = read(&flags.service_account_signing_key_file)?;
    let signer =
        TokenSigner::from_pem(&signing_key).map_err(|error| format!("--service-account-signing-key-file: {error}"))?;
    let publics = flags.service_account_key_file.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let verifier = TokenVerifier::from_pems(publics.iter().map(String::as_str))
        .map_err(|error| format!("--service-account-key-file: {error}"))?;
    let mut static_tokens = StaticTokens::default();
    if let Some(path) = &flags.token_auth_file {
        static_tokens.add_file(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let chain = security::chain(SecurityConfig {
        clock: clock.clone(),
        issuer: flags.service_account_issuer.clone(),
        audiences: flags.api_audiences.clone(),
        signer: Arc::new(signer),
        verifier,
        static_tokens,
        anonymous: flags.anonymous_auth,
        kubelet: kubelet_client(flags, &clock, shutdown)?,
    });
    let client_ca = flags.client_ca_file.as_deref().map(read).transpose()?;
    let auth = client_ca.as_deref().map_or(ClientAuth::None, ClientAuth::Optional);
    let shown = flags.serving.certificate(&clock, shutdown)?;
    let advertise_address = flags.advertise_address.or_else(super::kubelet::own_address).unwrap_or(flags.bind_address);
    Ok(apiserver::Config {
        store,
        clock,
        bind: SocketAddr::new(flags.bind_address, flags.secure_port),
        listeners: server::inherited_listeners()?,
        tls: Some(certs::changing_server_config(&shown, auth, &[b"h2", b"http/1.1"])?),
        chain,
        advertise_address,
        service_cluster_ip_range: flags.service_cluster_ip_range.clone(),
        event_ttl_seconds: flags.datastore.event_ttl_seconds(),
        front_proxy: None,
        bootstrap: true,
    })
}

fn kubelet_client(
    flags: &ApiServerFlags,
    clock: &SharedClock,
    shutdown: &Shutdown,
) -> Result<Option<KubeletClient>, Box<dyn Error>> {
    let (Some(certificate), Some(key)) = (&flags.kubelet_client_certificate, &flags.kubelet_client_key) else {
        return Ok(None);
    };
    let shown = certificate_files::follow(certificate, key, clock, shutdown)?;
    let authority = flags.kubelet_certificate_authority.as_deref().map(read).transpose()?;
    Ok(Some(KubeletClient::new(authority.as_deref(), &shown)?))
}
