//! `pintle kube-controller-manager`: the controllers alone, with upstream's flags.

use super::election::{self, ElectionFlags};
use super::serving::Serving;
use super::{health, shutdown};
use certs::Authority;
use clap::{ArgAction, Args};
use client::{Client, ObjectKey, ServiceAccountClients};
use clock::SharedClock;
use controllers::{ControllerSelection, Settings, Signing};
use kubelet::KUBELET_VERSION;
use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// kube-controller-manager's flags, as far as they mean something here.
#[derive(Debug, Args)]
pub struct ControllerManagerFlags {
    /// How to reach the API server.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// The address of the health port.
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    bind_address: IpAddr,
    /// The health port.
    #[arg(long, value_name = "PORT", default_value_t = 10257)]
    secure_port: u16,
    /// Who signs the clients of the health port; its paths are open to all.
    #[arg(long, value_name = "FILE")]
    client_ca_file: Option<PathBuf>,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    election: ElectionFlags,
    /// Which controllers run: `*`, names, and names with `-` before them.
    #[arg(long, value_name = "NAMES", default_value = "*")]
    controllers: ControllerSelection,
    /// Give nodes ranges of pod addresses.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = false, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allocate_node_cidrs: bool,
    /// Where nodes' ranges come from.
    #[arg(long, value_name = "CIDR", default_value = "")]
    cluster_cidr: String,
    /// Leading bits of a node's range.
    #[arg(long, value_name = "BITS", default_value_t = super::server::NODE_CIDR_MASK_SIZE, visible_alias = "node-cidr-mask-size")]
    node_cidr_mask_size_ipv4: u8,
    /// Published in every namespace, so that pods can verify the API server.
    #[arg(long, value_name = "FILE")]
    root_ca_file: Option<PathBuf>,
    /// Signs the tokens that secrets of service accounts hold.
    #[arg(long, value_name = "FILE")]
    service_account_private_key_file: Option<PathBuf>,
    /// The authority that signs certificate requests.
    #[arg(long, value_name = "FILE", requires = "cluster_signing_key_file")]
    cluster_signing_cert_file: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE", requires = "cluster_signing_cert_file")]
    cluster_signing_key_file: Option<PathBuf>,
    /// The longest validity of a signed certificate.
    #[arg(long, value_name = "DURATION", default_value = "8760h", value_parser = election::duration)]
    cluster_signing_duration: Duration,
    /// Each controller acts as a service account of its own.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = false, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    use_service_account_credentials: bool,
    /// How much to log.
    #[arg(long, short, default_value_t = 2)]
    v: i32,
}

/// The component's name, as its user agent and lease have it.
pub const NAME: &str = "kube-controller-manager";

/// Runs until told to stop, or until the lease is lost.
pub async fn run(flags: ControllerManagerFlags, clock: SharedClock) -> Result<(), Box<dyn Error>> {
    let shutdown = shutdown::on_signal()?;
    let settings = settings(&flags)?;
    let agent = format!("{NAME}/{KUBELET_VERSION}");
    let server = Client::read_kubeconfig(&flags.kubeconfig).await?;
    let client = Client::from_config(server.clone(), &agent)?;
    let client_for: controllers::ClientFor = if flags.use_service_account_credentials {
        let accounts = ServiceAccountClients::new(server, client.clone(), clock.clone())?;
        let fallback = client.clone();
        Arc::new(move |name| {
            let key = ObjectKey::namespaced("kube-system", name);
            // the agent's text is ours and fits a header
            accounts.client(key, &agent).unwrap_or_else(|_| fallback.clone())
        })
    } else {
        let client = client.clone();
        Arc::new(move |_| client.clone())
    };
    health::serve(flags.bind_address, flags.secure_port, flags.serving, clock.clone(), shutdown.clone()).await?;
    let work = |stop| {
        let informers = client.clone();
        let context = controllers::Context { client_for, informers, clock: clock.clone(), shutdown: stop, settings };
        controllers::run(context)
    };
    flags.election.run(NAME, &client, &clock, &shutdown, work).await
}

fn settings(flags: &ControllerManagerFlags) -> Result<Settings, Box<dyn Error>> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    if flags.allocate_node_cidrs && flags.cluster_cidr.is_empty() {
        return Err("--cluster-cidr: Required value: --allocate-node-cidrs needs it".into());
    }
    let signing = match (&flags.cluster_signing_cert_file, &flags.cluster_signing_key_file) {
        (Some(certificate), Some(key)) => Some(Signing {
            authority: Arc::new(Authority::from_pem(&read(certificate)?, &read(key)?)?),
            validity_seconds_max: flags.cluster_signing_duration.as_secs(),
        }),
        _ => None,
    };
    let token_signer = match &flags.service_account_private_key_file {
        Some(path) => {
            let wrong = |error| format!("--service-account-private-key-file: {error}");
            Some(Arc::new(certs::TokenSigner::from_pem(&read(path)?).map_err(wrong)?))
        }
        None => None,
    };
    let root_ca = match &flags.root_ca_file {
        Some(path) => read(path)?,
        None => String::new(),
    };
    let mut selection = flags.controllers.clone();
    if !flags.allocate_node_cidrs {
        selection = selection.without("node-ipam-controller");
    }
    if root_ca.is_empty() {
        selection = selection.without("root-ca-certificate-publisher-controller");
    }
    Ok(Settings {
        cluster_cidr: flags.cluster_cidr.clone(),
        node_cidr_mask_size: flags.node_cidr_mask_size_ipv4,
        root_ca,
        signing,
        token_signer,
        selection,
    })
}
