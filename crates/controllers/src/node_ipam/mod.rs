//! Every node has a range for its pods, cut out of the cluster's (upstream's `nodeipam`, range allocator).
//!
//! What is given is known here, from the nodes seen and from what was given a moment ago: asking the API for all nodes
//! would cost the square of their number.

mod ranges;

use crate::Context;
use client::{
    CONTROL_PLANE_NODES, Change, Client, InformerBuilder, ObjectKey, Outcome, PatchKind, Selection, WorkQueue,
    run_workers,
};
use k8s_openapi::api::core::v1::Node;
use ranges::{Given, Ranges};
use serde_json::json;
use std::sync::{Mutex, PoisonError};

/// Upstream's `cidrUpdateWorkers`.
const WORKERS: usize = 30;

#[derive(Debug, thiserror::Error)]
enum IpamError {
    #[error(transparent)]
    Api(#[from] client::Error),
    #[error(
        "failed to allocate cidr from cluster cidr: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range"
    )]
    Exhausted,
}

/// Ranges as they are given, shared by the workers and the informer.
struct Ledger(Mutex<Given>);

impl Ledger {
    fn with<R>(&self, act: impl FnOnce(&mut Given) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn on_change(&self, change: &Change<Node>) {
        let name = &change.key.name;
        let uid = |node: &std::sync::Arc<Node>| node.metadata.uid.clone();
        self.with(|given| {
            if change.old.is_some() && change.new.as_ref().map(uid) != change.old.as_ref().map(uid) {
                given.release(name);
            }
            if let Some(cidr) = change.new.as_deref().and_then(pod_cidr) {
                given.note(name, cidr);
            }
        });
    }
}

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let settings = &context.settings;
    let Some(ranges) = Ranges::new(&settings.cluster_cidr, settings.node_cidr_mask_size) else {
        tracing::error!(cidr = settings.cluster_cidr, "no usable --cluster-cidr: nodes get no pod ranges");
        return;
    };
    let ledger = std::sync::Arc::new(Ledger(Mutex::new(Given::new(ranges))));
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let (on_node, seen) = (queue.clone(), ledger.clone());
    let nodes = InformerBuilder::<Node>::new(&context.informers, context.clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_NODES)
        .on_change(move |change| {
            seen.on_change(change);
            if change.new.as_deref().is_some_and(|node| pod_cidr(node).is_none()) {
                on_node.add(change.key.clone());
            }
        })
        .start(context.shutdown.clone());
    if !nodes.wait_synced().await {
        return;
    }
    run_workers("node-ipam", &queue, WORKERS, &context.shutdown, |key| {
        let (node, client, ledger) = (nodes.store().get(&key), client.clone(), ledger.clone());
        async move {
            let Some(node) = node.filter(|node| pod_cidr(node).is_none()) else { return Ok(Outcome::Done) };
            give(&client, &ledger, &key, &node).await.map(|()| Outcome::Done)
        }
    })
    .await;
}

/// Gives a node its range. The same one when asked again, so that a store that lags behind does no harm.
async fn give(client: &Client, ledger: &Ledger, key: &ObjectKey, node: &Node) -> Result<(), IpamError> {
    let range = ledger.with(|given| given.of(&key.name)).ok_or(IpamError::Exhausted)?;
    // the uid is a precondition: another node of this name is not the one
    let patch = json!({"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": range, "podCIDRs": [range]}});
    let Err(error) = client.patch::<Node>(key, PatchKind::Strategic, &patch).await else { return Ok(()) };
    match client.get_opt::<Node>(key).await? {
        Some(now) if now.metadata.uid == node.metadata.uid => match pod_cidr(&now) {
            // somebody else gave it one, which stays
            Some(cidr) => {
                ledger.with(|given| given.note(&key.name, cidr));
                Ok(())
            }
            None => Err(error.into()),
        },
        // the informer brings the news, and takes the range back
        _ => Ok(()),
    }
}

fn pod_cidr(node: &Node) -> Option<&str> {
    node.spec.as_ref()?.pod_cidr.as_deref().filter(|cidr| !cidr.is_empty())
}
