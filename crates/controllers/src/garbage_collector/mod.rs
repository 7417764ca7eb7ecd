//! garbage collector: what belongs to something that is gone, goes too; by `metadata.ownerReferences`.
//!
//! The graph is the informers themselves: one per resource, metadata only, with indices by uid and by owner's uid. An
//! owner that no informer knows is asked of the API before anything is deleted for it.

mod act;
mod monitors;
mod plan;
mod resources;

use crate::Context;
use client::{Client, Error, ObjectKey, run_workers};
use monitors::{Graph, Item};
use std::sync::Arc;
use std::time::Duration;

const WORKERS: usize = 20;
/// Between two looks at which resources there are (`resyncPeriod` of the discovery in upstream's collector).
const DISCOVERY_PERIOD: Duration = Duration::from_secs(30);
/// Wait after a change of a CustomResourceDefinition, until what it defines is served or gone; several changes count as one.
const DEFINITION_SETTLE_TIME: Duration = Duration::from_millis(500);

/// Why an object could not be dealt with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error("{0}")]
    Request(#[from] Error),
    #[error("the owner's kind {kind} of {api_version} is not known here")]
    UnknownKind { api_version: String, kind: String },
    #[error("{0} is of cluster scope but names an owner in a namespace")]
    NamespacedOwner(ObjectKey),
}

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let graph = Arc::new(Graph::new(context.clock.clone()));
    let discovery = async {
        loop {
            graph.discover(&context, &client).await;
            if clock::timeout(&*context.clock, DISCOVERY_PERIOD, graph.definition_changed()).await.is_some() {
                context.clock.sleep(DEFINITION_SETTLE_TIME).await;
            }
        }
    };
    let work = async {
        // Nothing is judged before everything has been seen once.
        graph.wait_synced().await;
        run_workers("garbage-collector", &graph.queue, WORKERS, &context.shutdown, |item: Item| {
            let (client, graph) = (&client, &graph);
            async move { act::reconcile(client, graph, &item).await }
        })
        .await;
    };
    let stopped = context.shutdown.cancelled();
    futures::pin_mut!(discovery, work, stopped);
    futures::future::select(stopped, futures::future::select(work, discovery)).await;
}
