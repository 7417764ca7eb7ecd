//! The control loops of the controller manager: one directory each, one flat list that registers them.
//!
//! Every controller is level-triggered: informers put keys into a queue, `reconcile(key)` looks at what is and does
//! what is missing. What a controller decides is a pure function in its directory; the rest is a thin shell. What not:
//! nothing here reaches state but through the API, under an identity of its own.

mod account_tokens;
mod bootstrap;
mod certificates;
mod garbage_collector;
mod namespace;
mod node_ipam;
mod node_lifecycle;
mod pod_gc;
mod resource_quota;
mod role_aggregation;
mod root_ca;
mod selection;
mod service_account;
mod taint_eviction;

pub use bootstrap::{BOOTSTRAP_TOKEN_TYPE, TokenSecret};
pub use certificates::Signing;
pub use selection::{ControllerSelection, SelectionError};

use client::{Client, Shutdown};
use clock::SharedClock;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Gives the client for the controller of this name: upstream's `system:serviceaccount:kube-system:<name>`.
pub type ClientFor = Arc<dyn Fn(&'static str) -> Client + Send + Sync>;

/// What all controllers share.
#[derive(Clone)]
pub struct Context {
    /// A client per controller, each with its own rights.
    pub client_for: ClientFor,
    /// What informers read with: `system:kube-controller-manager`, which may read everything, as upstream's shared
    /// informers do. Controllers write with their own client.
    pub informers: Client,
    /// Time.
    pub clock: SharedClock,
    /// Ends everything.
    pub shutdown: Shutdown,
    /// Flags of the controller manager.
    pub settings: Settings,
}

/// Flags of the controller manager, by upstream's names.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `--cluster-cidr`: where nodes' pod ranges come from.
    pub cluster_cidr: String,
    /// `--node-cidr-mask-size-ipv4`: leading bits of a node's range.
    pub node_cidr_mask_size: u8,
    /// `--root-ca-file`, its content: published in every namespace.
    pub root_ca: String,
    /// `--cluster-signing-*`; `None`: certificate requests are not signed.
    pub signing: Option<Signing>,
    /// `--service-account-private-key-file`; `None`: secrets get no tokens of accounts.
    pub token_signer: Option<Arc<certs::TokenSigner>>,
    /// `--controllers`: which run.
    pub selection: ControllerSelection,
}

type Run = fn(Context, Client) -> BoxFuture<'static, ()>;

/// A controller: its names, and what runs it until shutdown.
struct Controller {
    /// Upstream's name, as `--controllers` takes it.
    name: &'static str,
    /// The name that it had before v1.28, taken as well.
    alias: &'static str,
    /// The service account that it acts as.
    account: &'static str,
    run: Run,
}

const fn controller(name: &'static str, alias: &'static str, account: &'static str, run: Run) -> Controller {
    Controller { name, alias, account, run }
}

/// All controllers.
const CONTROLLERS: &[Controller] = &[
    controller("serviceaccount-controller", "serviceaccount", "service-account-controller", |context, client| {
        Box::pin(service_account::run(context, client))
    }),
    controller(
        "serviceaccount-token-controller",
        "serviceaccount-token",
        "service-account-controller",
        |context, client| Box::pin(account_tokens::run(context, client)),
    ),
    controller(
        "root-ca-certificate-publisher-controller",
        "root-ca-cert-publisher",
        "root-ca-cert-publisher",
        |context, client| Box::pin(root_ca::run(context, client)),
    ),
    // upstream runs node IPAM and node lifecycle under one account
    controller("node-ipam-controller", "nodeipam", "node-controller", |context, client| {
        Box::pin(node_ipam::run(context, client))
    }),
    controller("node-lifecycle-controller", "nodelifecycle", "node-controller", |context, client| {
        Box::pin(node_lifecycle::run(context, client))
    }),
    controller("taint-eviction-controller", "taint-eviction", "taint-eviction-controller", |context, client| {
        Box::pin(taint_eviction::run(context, client))
    }),
    controller("namespace-controller", "namespace", "namespace-controller", |context, client| {
        Box::pin(namespace::run(context, client))
    }),
    controller("resourcequota-controller", "resourcequota", "resourcequota-controller", |context, client| {
        Box::pin(resource_quota::run(context, client))
    }),
    controller("pod-garbage-collector-controller", "podgc", "pod-garbage-collector", |context, client| {
        Box::pin(pod_gc::run(context, client))
    }),
    controller("garbage-collector-controller", "garbagecollector", "generic-garbage-collector", |context, client| {
        Box::pin(garbage_collector::run(context, client))
    }),
    controller(
        "certificatesigningrequest-approving-controller",
        "csrapproving",
        "certificate-controller",
        |context, client| Box::pin(certificates::run_approving(context, client)),
    ),
    controller(
        "certificatesigningrequest-signing-controller",
        "csrsigning",
        "certificate-controller",
        |context, client| Box::pin(certificates::run_signing(context, client)),
    ),
    controller(
        "certificatesigningrequest-cleaner-controller",
        "csrcleaner",
        "certificate-controller",
        |context, client| Box::pin(certificates::run_cleaning(context, client)),
    ),
    controller(
        "clusterrole-aggregation-controller",
        "clusterrole-aggregation",
        "clusterrole-aggregation-controller",
        |context, client| Box::pin(role_aggregation::run(context, client)),
    ),
    controller("bootstrap-signer-controller", "bootstrapsigner", "bootstrap-signer", |context, client| {
        Box::pin(bootstrap::run_signer(context, client))
    }),
    controller("token-cleaner-controller", "tokencleaner", "token-cleaner", |context, client| {
        Box::pin(bootstrap::run_token_cleaner(context, client))
    }),
];

/// Runs all selected controllers until shutdown, each as a task of its own: in one, they would share one core and be
/// looked at whenever any of them has something to do.
pub async fn run(context: Context) {
    let mut tasks = tokio::task::JoinSet::new();
    for one in CONTROLLERS.iter().filter(|one| context.settings.selection.includes(one.name, one.alias)) {
        tasks.spawn((one.run)(context.clone(), (context.client_for)(one.account)));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a controller has ended");
        }
    }
}
