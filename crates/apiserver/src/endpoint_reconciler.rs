//! The addresses of the service `kubernetes`: one for each server that lives (upstream's lease reconciler).
//!
//! Where several servers may share a store, each keeps `/registry/core/masterleases/<address>` alive there; the leases that
//! there are make the Endpoints and the EndpointSlice. A server alone with its store writes its own address.

use crate::bootstrap::{self, BootstrapError, Cluster};
use crate::cache::{ChangeKind, Interest};
use crate::reader::ObjectReader;
use crate::server::Api;
use crate::storage::Storage;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use store::{CommitError, Expect, Revision};

/// Upstream's `DefaultEndpointReconcilerTTL`.
const LEASE_SECONDS: NonZeroU64 = NonZeroU64::new(15).unwrap();
/// Upstream's `DefaultEndpointReconcilerInterval`.
const PERIOD: Duration = Duration::from_secs(10);
/// Upstream's key.
const LEASES: (&str, &str) = ("", "masterleases");
/// How often a write is tried again that another server's came before.
const TRIES_MAX: usize = 5;

/// One server's part.
#[derive(Clone, Copy, Debug)]
pub struct EndpointReconciler {
    own: SocketAddr,
    shared: bool,
}

impl EndpointReconciler {
    /// For the server that others reach by `own`; `shared` when its store may have other servers.
    pub fn new(own: SocketAddr, shared: bool) -> Self {
        Self { own, shared }
    }

    /// Says that this server lives, and writes who does.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn start(&self, cluster: &Cluster<'_>) -> Result<(), BootstrapError> {
        let failed = |source| BootstrapError::Write { object: format!("masterleases/{}", self.own.ip()), source };
        if self.shared {
            self.renew(cluster.storage).await.map_err(failed)?;
        }
        self.reconcile(cluster).await
    }

    async fn renew(&self, storage: &Storage) -> Result<(), CommitError> {
        let ip = self.own.ip().to_string();
        let lease = json!({"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": ip},
            "subsets": [{"addresses": [{"ip": ip}]}]});
        storage.put_key(LEASES, &ip, &lease, Expect::Any, Some(LEASE_SECONDS)).await
    }

    /// Until the server stops; then its address goes.
    pub async fn run(self, api: Arc<Api>) {
        if !self.shared {
            return;
        }
        let mut watch = None;
        // Goes on while others renew theirs, however many they are.
        let mut tick = api.clock.sleep(PERIOD);
        loop {
            let shelf = api.cache.shelf(LEASES.0, LEASES.1);
            let changes = watch.get_or_insert_with(|| {
                // what came before is in the cache, and is looked at with the next change or tick
                shelf.list_and_watch(|| api.cache.revision(), Interest::default()).1.changes
            });
            let (renews, cut_off) = tokio::select! {
                () = api.stopping.cancelled() => break,
                () = &mut tick => {
                    tick = api.clock.sleep(PERIOD);
                    (true, false)
                }
                change = changes.recv() => match change {
                    // a renewal changes nothing
                    Some(change) if change.kind == ChangeKind::Modified => continue,
                    Some(_) => (false, false),
                    None => (false, true),
                },
            };
            if cut_off {
                watch = None;
            }
            self.look(&api, renews).await;
        }
        self.leave(&api).await;
    }

    async fn look(&self, api: &Api, renews: bool) {
        if renews && let Err(error) = self.renew(&api.storage).await {
            tracing::warn!(%error, "this server's lease could not be renewed");
        }
        if let Err(error) = self.reconcile(&cluster(api)).await {
            tracing::warn!(%error, "the endpoints of the service kubernetes could not be written");
        }
    }

    async fn leave(&self, api: &Api) {
        let ip = self.own.ip().to_string();
        let lease = api.cache.shelf(LEASES.0, LEASES.1).get(&ip);
        if let Some(lease) = lease
            && let Err(error) = api.storage.delete_key(LEASES.0, LEASES.1, &ip, lease.revision).await
        {
            tracing::warn!(%error, "this server's lease stays until its time is over");
        }
        self.look(api, false).await;
    }

    /// The servers that live; the last one's address stays when it goes, as upstream refuses to erase all.
    fn addresses(&self, cluster: &Cluster<'_>) -> BTreeSet<IpAddr> {
        if !self.shared {
            return BTreeSet::from([self.own.ip()]);
        }
        let leases = cluster.cache.snapshot(&cluster.cache.shelf(LEASES.0, LEASES.1));
        leases.range(None, None).filter_map(|entry| entry.key.parse().ok()).collect()
    }

    async fn reconcile(&self, cluster: &Cluster<'_>) -> Result<(), BootstrapError> {
        let addresses = self.addresses(cluster);
        if addresses.is_empty() {
            return Ok(());
        }
        let ports = json!([{"name": "https", "port": self.own.port(), "protocol": "TCP"}]);
        let ips: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip.to_string()})).collect();
        let endpoints = json!({"kind": "Endpoints", "apiVersion": "v1",
            "metadata": {"name": "kubernetes", "namespace": "default",
                "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": ips, "ports": ports}]});
        write(cluster, "", "endpoints", endpoints, &["subsets"]).await?;
        let family = if self.own.is_ipv4() { "IPv4" } else { "IPv6" };
        let of_family = addresses.iter().filter(|ip| ip.is_ipv4() == self.own.is_ipv4());
        let entries: Vec<Value> =
            of_family.map(|ip| json!({"addresses": [ip.to_string()], "conditions": {"ready": true}})).collect();
        let slice = json!({"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": family,
            "metadata": {"name": "kubernetes", "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"}, "generation": 1},
            "endpoints": entries, "ports": ports});
        write(cluster, "discovery.k8s.io", "endpointslices", slice, &["endpoints", "ports"]).await
    }
}

fn cluster(api: &Api) -> Cluster<'_> {
    Cluster { rows: &api.rows, cache: &api.cache, storage: &api.storage, clock: &*api.clock }
}

/// Makes the object, or gives the one that is there these fields.
async fn write(
    cluster: &Cluster<'_>,
    group: &str,
    plural: &str,
    object: Value,
    fields: &[&str],
) -> Result<(), BootstrapError> {
    for _ in 0..TRIES_MAX {
        let Some(old) = cluster.cache.get(group, plural, "default", "kubernetes") else {
            return bootstrap::put(cluster, group, plural, object, Expect::Absent).await;
        };
        if fields.iter().all(|field| old[*field] == object[*field]) {
            return Ok(());
        }
        let mut new = Value::clone(&old);
        fields.iter().for_each(|field| new[*field] = object[*field].clone());
        let revision = old["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        let row = cluster.rows.stored(group, plural).ok_or_else(|| BootstrapError::Row(plural.to_owned()))?;
        match cluster.storage.put(&row, "default/kubernetes", &new, Expect::At(Revision(revision))).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {} // another server; the cache has its write now
            Err(source) => return Err(BootstrapError::Write { object: format!("{plural}/kubernetes"), source }),
        }
    }
    Ok(())
}
