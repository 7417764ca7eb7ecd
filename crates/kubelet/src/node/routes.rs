//! Routes to the pods of the other nodes, kept in step with the Node objects.

use crate::network::NodeRoute;
use crate::shared::Shared;
use client::{Client, InformerBuilder, Selection, Shutdown};
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// After a failure to set routes.
const RETRY: Duration = Duration::from_secs(1);

/// Sets routes until `shutdown`.
pub(super) async fn run(client: Client, shared: Arc<Shared>, shutdown: Shutdown) {
    let notify = Arc::new(Notify::new());
    let changed = notify.clone();
    let nodes = InformerBuilder::<Node>::new(&client, shared.clock.clone(), Selection::all())
        .on_change(move |_| changed.notify_one())
        .start(shutdown.clone());
    let mut set: Option<Vec<NodeRoute>> = None;
    loop {
        let routes = routes(&nodes.store().list(), &shared.config.node_name);
        let mut retry = false;
        // before the first list nothing is known, and routes of a kubelet before this one stay
        if nodes.has_synced() && set.as_ref() != Some(&routes) && shared.network.status().is_ok() {
            match shared.network.set_node_routes(routes.clone()).await {
                Ok(()) => set = Some(routes),
                Err(error) => {
                    tracing::warn!(%error, "cannot set routes to other nodes");
                    retry = true;
                }
            }
        } else if shared.network.status().is_err() {
            retry = true;
        }
        let wait = async { if retry { shared.clock.sleep(RETRY).await } else { std::future::pending().await } };
        tokio::select! {
            () = notify.notified() => {}
            () = wait => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// The routes that these nodes ask for. Pure.
pub(super) fn routes(nodes: &[Arc<Node>], own_name: &str) -> Vec<NodeRoute> {
    let mut routes: Vec<NodeRoute> = nodes
        .iter()
        .filter(|node| node.metadata.name.as_deref() != Some(own_name))
        .flat_map(|node| {
            let spec = node.spec.clone().unwrap_or_default();
            let ranges = spec.pod_cidrs.unwrap_or_else(|| spec.pod_cidr.into_iter().collect());
            let addresses = node.status.as_ref().and_then(|s| s.addresses.clone()).unwrap_or_default();
            let address = addresses.iter().find(|a| a.type_ == "InternalIP").and_then(|a| a.address.parse().ok());
            let route = move |pod_cidr| Some(NodeRoute { pod_cidr, node_address: address? });
            ranges.into_iter().filter_map(route)
        })
        .collect();
    routes.sort();
    routes
}
