//! The shell around nodes: each shard registers its nodes one after the other, then goes round and renews their leases.

use crate::{Config, SHARDS, node};
use client::{Backoff, Client, Error, ObjectKey, Shutdown};
use clock::SharedClock;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::Resource;
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::time::Duration;

/// Between two renewals of one lease: as a kubelet, a quarter of its duration.
const ROUND: Duration = Duration::from_secs(10);
/// Every so many rounds the status is sent too: `nodeStatusReportFrequency`, five minutes.
const STATUS_ROUNDS: usize = 30;
/// After a registration that failed.
const RETRY: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(7) };

/// What is read of an answer.
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    uid: Box<str>,
    #[serde(default)]
    resource_version: Box<str>,
}

/// A node in the API.
struct Registered {
    number: usize,
    uid: Box<str>,
    /// The version of its lease: renewals name the one before, as a kubelet's do. `None`: not known.
    lease: Option<Box<str>>,
}

/// Registers all nodes and keeps them alive until `shutdown`.
pub async fn run(config: &Config, client: &Client, clock: &SharedClock, shutdown: &Shutdown) {
    let shards = (0..SHARDS).map(|shard| {
        let numbers: Vec<usize> = (shard..config.nodes).step_by(SHARDS).collect();
        let shard = Shard { config: config.clone(), client: client.clone(), clock: clock.clone(), numbers };
        let stopped = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shard.run() => {}
                () = stopped.cancelled() => {}
            }
        })
    });
    futures::future::join_all(shards.collect::<Vec<_>>()).await; // a panic in one has been logged
}

struct Shard {
    config: Config,
    client: Client,
    clock: SharedClock,
    numbers: Vec<usize>,
}

impl Shard {
    async fn run(self) {
        let mut nodes = Vec::with_capacity(self.numbers.len());
        for number in &self.numbers {
            nodes.push(self.register(*number).await);
        }
        if nodes.is_empty() {
            return;
        }
        tracing::info!(nodes = nodes.len(), first = %node::name(&self.config, self.numbers[0]), "registered");
        let gap = ROUND / u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let mut due = self.clock.monotonic();
        for round in 0_usize.. {
            for (index, node) in nodes.iter_mut().enumerate() {
                due += gap;
                self.clock.sleep(due.saturating_sub(self.clock.monotonic())).await;
                if let Err(error) = self.beat(node, (round + index) % STATUS_ROUNDS == 0).await {
                    // The next round is in time.
                    tracing::debug!(node = %node::name(&self.config, node.number), %error, "no heartbeat");
                }
            }
        }
    }

    /// Registers a node, and renews its lease at once.
    async fn register(&self, number: usize) -> Registered {
        let mut failures = 0;
        loop {
            match self.try_register(number).await {
                Ok(node) => return node,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(node = %node::name(&self.config, number), %error, failures, "cannot register");
                    self.clock.sleep(RETRY.delay(failures)).await;
                }
            }
        }
    }

    async fn try_register(&self, number: usize) -> Result<Registered, Error> {
        let nodes = || Request::new(Node::url_path(&(), None));
        let body = node::object(&self.config, number, self.clock.now()).to_string().into_bytes();
        let made: Result<Object, Error> =
            self.client.kube().request(nodes().create(&PostParams::default(), body)?).await.map_err(Error::from);
        let object = match made {
            Ok(object) => object,
            // One of an earlier run: it is ours again.
            Err(error) if error.is_already_exists() => {
                let name = node::name(&self.config, number);
                self.client.kube().request(nodes().get(&name, &GetParams::default())?).await?
            }
            Err(error) => return Err(error),
        };
        let mut node = Registered { number, uid: object.metadata.uid, lease: None };
        self.beat(&mut node, true).await?;
        Ok(node)
    }

    async fn beat(&self, node: &mut Registered, with_status: bool) -> Result<(), Error> {
        let (name, now) = (node::name(&self.config, node.number), self.clock.now());
        let renewed = match self.renew(node, &name, now).await {
            // One of an earlier run, or someone else has written it.
            Err(error) if error.is_conflict() || error.is_invalid() => {
                let key = node::lease_key(&name);
                let leases = Request::new(Lease::url_path(&(), Some(&key.namespace)));
                let found: Object = self.client.kube().request(leases.get(&key.name, &GetParams::default())?).await?;
                node.lease = Some(found.metadata.resource_version);
                self.renew(node, &name, now).await
            }
            renewed => renewed,
        };
        if renewed.is_err() {
            node.lease = None; // it may be gone: the next round makes it, or learns that it is there
        }
        renewed?;
        if with_status {
            let patch = Patch::Strategic(node::heartbeat(now));
            let nodes = Request::new(Node::url_path(&(), None));
            let key = ObjectKey::cluster(name);
            self.send(nodes.patch_subresource("status", &key.name, &PatchParams::default(), &patch)?).await?;
        }
        Ok(())
    }

    async fn renew(&self, node: &mut Registered, name: &str, now: jiff::Timestamp) -> Result<(), Error> {
        let key = node::lease_key(name);
        let lease = encode(&node::lease(name, &node.uid, node.lease.as_deref(), now));
        let leases = Request::new(Lease::url_path(&(), Some(&key.namespace)));
        let renewed: Object =
            self.client.kube().request(leases.replace(&key.name, &PostParams::default(), lease)?).await?;
        node.lease = Some(renewed.metadata.resource_version);
        Ok(())
    }

    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<(), Error> {
        self.client.kube().request::<IgnoredAny>(request).await?;
        Ok(())
    }
}

fn encode(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
