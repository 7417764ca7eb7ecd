//! Every node has a range for its pods, cut out of the cluster's (upstream's `nodeipam`, range allocator).

mod ranges;

use crate::Context;
use client::{Client, InformerBuilder, ObjectKey, Outcome, PatchKind, Selection, WorkQueue, run_workers};
use k8s_openapi::api::core::v1::Node;
use ranges::Ranges;
use serde_json::json;

/// One: two workers could give the same range to two nodes.
const WORKERS: usize = 1;

#[derive(Debug, thiserror::Error)]
enum IpamError {
    #[error(transparent)]
    Api(#[from] client::Error),
    #[error(
        "failed to allocate cidr from cluster cidr: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range"
    )]
    Exhausted,
}

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let settings = &context.settings;
    let Some(ranges) = Ranges::new(&settings.cluster_cidr, settings.node_cidr_mask_size) else {
        tracing::error!(cidr = settings.cluster_cidr, "no usable --cluster-cidr: nodes get no pod ranges");
        return;
    };
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let on_node = queue.clone();
    let nodes = InformerBuilder::<Node>::new(&context.informers, context.clock.clone(), Selection::all())
        .on_change(move |change| on_node.add(change.key.clone()))
        .start(context.shutdown.clone());
    if !nodes.wait_synced().await {
        return;
    }
    run_workers("node-ipam", &queue, WORKERS, &context.shutdown, |key| {
        let (nodes, client) = (nodes.clone(), client.clone());
        async move {
            let Some(node) = nodes.store().get(&key) else { return Ok(Outcome::Done) };
            if pod_cidr(&node).is_some() {
                return Ok(Outcome::Done);
            }
            // the store may lag behind what this worker has just given: the API server knows
            let all = client.list::<Node>(None, &client::ListParams::default()).await?;
            let this = all.items.iter().find(|other| other.metadata.uid == node.metadata.uid);
            if this.is_none_or(|this| pod_cidr(this).is_some()) {
                return Ok(Outcome::Done);
            }
            let taken: Vec<&str> = all.items.iter().filter_map(pod_cidr).collect();
            let free = ranges.first_free(&taken).ok_or(IpamError::Exhausted)?;
            let patch = json!({"spec": {"podCIDR": free, "podCIDRs": [free]}});
            match client.patch::<Node>(&key, PatchKind::Strategic, &patch).await {
                Err(error) if !error.is_not_found() => Err(IpamError::from(error)),
                _ => Ok(Outcome::Done),
            }
        }
    })
    .await;
}

fn pod_cidr(node: &Node) -> Option<&str> {
    node.spec.as_ref()?.pod_cidr.as_deref().filter(|cidr| !cidr.is_empty())
}
