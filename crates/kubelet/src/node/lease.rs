//! The node's heartbeat: its Lease in `kube-node-lease`, renewed every quarter of its duration.

use crate::shared::Shared;
use client::{Backoff, Client, Error, ObjectKey, Shutdown};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use std::sync::Arc;
use std::time::Duration;

const NAMESPACE: &str = "kube-node-lease";
const RETRY: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(7) };

/// Renews until `shutdown`.
pub(super) async fn run(client: Client, shared: Arc<Shared>, shutdown: Shutdown) {
    let period = Duration::from_secs(u64::from(shared.config.node_lease_duration_seconds.unsigned_abs())) / 4;
    let mut held = None;
    let mut failures = 0;
    loop {
        let wait = match renew(&client, &shared, held.take()).await {
            Ok(lease) => {
                held = Some(lease);
                failures = 0;
                period
            }
            Err(error) => {
                failures += 1;
                tracing::debug!(%error, failures, "cannot renew the node's lease");
                RETRY.delay(failures).min(period)
            }
        };
        tokio::select! {
            () = shared.clock.sleep(wait) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Updates the lease that is known, or the one that is there, or makes it.
async fn renew(client: &Client, shared: &Shared, held: Option<Lease>) -> Result<Lease, Error> {
    let name = &shared.config.node_name;
    let key = ObjectKey::namespaced(NAMESPACE, name);
    let known = match held {
        Some(lease) => Some(lease),
        None => client.get_opt::<Lease>(&key).await?,
    };
    let owner = shared.node().uid.map(|uid| OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: name.clone(),
        uid,
        ..OwnerReference::default()
    });
    let spec = LeaseSpec {
        holder_identity: Some(name.clone()),
        lease_duration_seconds: Some(shared.config.node_lease_duration_seconds),
        renew_time: Some(MicroTime(shared.clock.now())),
        ..LeaseSpec::default()
    };
    match known {
        Some(mut lease) => {
            lease.spec = Some(spec);
            if lease.metadata.owner_references.is_none() {
                lease.metadata.owner_references = owner.map(|owner| vec![owner]);
            }
            client.update(&lease).await
        }
        None => {
            let metadata = ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(NAMESPACE.to_owned()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            };
            client.create(&Lease { metadata, spec: Some(spec) }).await
        }
    }
}
