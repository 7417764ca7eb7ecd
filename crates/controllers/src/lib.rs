//! The control loops of the controller manager: one directory each, one flat list that registers them.
//!
//! Every controller is level-triggered: informers put keys into a queue, `reconcile(key)` looks at what is and does
//! what is missing. What a controller decides is a pure function in its directory; the rest is a thin shell. What not:
//! nothing here reaches state but through the API, under an identity of its own.

mod garbage_collector;
mod namespace;
mod node_ipam;
mod node_lifecycle;
mod pod_gc;
mod root_ca;
mod service_account;
mod taint_eviction;

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
}

type Run = fn(Context, Client) -> BoxFuture<'static, ()>;

/// All controllers: upstream's name of the service account, and the function that runs it until shutdown.
const CONTROLLERS: &[(&str, Run)] = &[
    ("service-account-controller", |context, client| Box::pin(service_account::run(context, client))),
    ("root-ca-cert-publisher", |context, client| Box::pin(root_ca::run(context, client))),
    // upstream runs node IPAM and node lifecycle under one account
    ("node-controller", |context, client| Box::pin(node_ipam::run(context, client))),
    ("node-controller", |context, client| Box::pin(node_lifecycle::run(context, client))),
    ("taint-eviction-controller", |context, client| Box::pin(taint_eviction::run(context, client))),
    ("namespace-controller", |context, client| Box::pin(namespace::run(context, client))),
    ("pod-garbage-collector", |context, client| Box::pin(pod_gc::run(context, client))),
    ("generic-garbage-collector", |context, client| Box::pin(garbage_collector::run(context, client))),
];

/// Runs all controllers until shutdown.
pub async fn run(context: Context) {
    let all = CONTROLLERS.iter().map(|(name, run)| run(context.clone(), (context.client_for)(name)));
    futures::future::join_all(all).await;
}
