//! The node's own object: registered, kept current, brought back when it is deleted; its lease; the routes to other nodes.
//!
//! Event-driven: the object, the network and the images are looked at when something changes, and at the configured
//! frequency as a detector.

mod lease;
mod machine;
pub mod object;
mod routes;
#[cfg(test)]
mod tests;

use crate::amount::Milli;
use crate::config::Config;
use crate::events::node_reference;
use crate::resources::Amounts;
use crate::shared::{NodeFacts, Shared};
use crate::status::patch::status_patch;
use client::{Client, Error, EventType, InformerBuilder, ObjectKey, PatchKind, Selection, Shutdown, Store};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use object::NodeInput;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What is known of the node before the API server was asked.
pub fn initial_facts(config: &Config) -> NodeFacts {
    let mut capacity = machine::capacity(&config.paths.root);
    capacity.insert("pods".to_owned(), Milli(i128::from(config.max_pods) * 1000));
    let given = |(name, text): (&String, &String)| (name.clone(), Milli::of(&Quantity(text.clone())));
    capacity.extend(config.capacity.iter().map(given));
    let addresses = if config.node_ips.is_empty() { machine::addresses() } else { config.node_ips.clone() };
    NodeFacts {
        addresses,
        labels: object::labels(config),
        uid: None,
        allocatable: object::allocatable(&capacity, &config.reserved),
        capacity,
    }
}

/// Starts all tasks about the node. `registered` is called whenever the object's uid becomes known, `network_changed`
/// when pods may get a network that they could not have before.
pub fn start(
    client: &Client,
    shared: &Arc<Shared>,
    registered: impl Fn() + Send + Sync + 'static,
    network_changed: impl Fn() + Send + Sync + 'static,
    tasks: &mut tokio::task::JoinSet<()>,
    shutdown: &Shutdown,
) {
    let name = shared.config.node_name.clone();
    let own = Selection::fields(format!("metadata.name={name}"));
    let notify = Arc::new(Notify::new());
    let changed = notify.clone();
    let informer = InformerBuilder::<Node>::new(client, shared.clock.clone(), own)
        .on_change(move |_| changed.notify_one())
        .start(shutdown.clone());
    let keeper = Keeper {
        client: client.clone(),
        shared: shared.clone(),
        store: informer.store().clone(),
        notify,
        pod_cidrs: Vec::new(),
        reported_at: None,
        said: Vec::new(),
        uid: None,
        registered: Box::new(registered),
        network_changed: Box::new(network_changed),
    };
    tasks.spawn(keeper.run(shutdown.clone()));
    tasks.spawn(lease::run(client.clone(), shared.clone(), shutdown.clone()));
    if let Some(client) = shared.proxy_client.clone() {
        tasks.spawn(routes::run(client, shared.clone(), shutdown.clone()));
    }
}

struct Keeper {
    client: Client,
    shared: Arc<Shared>,
    store: Store<Node>,
    notify: Arc<Notify>,
    pod_cidrs: Vec<String>,
    /// When the status was sent last, on the monotonic clock.
    reported_at: Option<Duration>,
    /// What was said about conditions, so that events come with changes only.
    said: Vec<String>,
    uid: Option<String>,
    registered: Box<dyn Fn() + Send + Sync>,
    network_changed: Box<dyn Fn() + Send + Sync>,
}

/// After a failed request: quick at first, as the API server is often just starting.
const RETRY: client::Backoff = client::Backoff { base: Duration::from_millis(50), max: Duration::from_secs(7) };

impl Keeper {
    async fn run(mut self, shutdown: Shutdown) {
        let mut failures = 0;
        loop {
            let wait = match self.look().await {
                Ok(()) => {
                    failures = 0;
                    self.shared.config.node_status_update_frequency
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, "cannot keep the node's object current");
                    RETRY.delay(failures)
                }
            };
            tokio::select! {
                () = self.notify.notified() => {}
                () = self.shared.clock.sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let node = self.ensure_registered().await?;
        self.take_over(&node).await;
        self.report(&node).await
    }

    async fn ensure_registered(&mut self) -> Result<Arc<Node>, Error> {
        let key = ObjectKey::cluster(self.shared.config.node_name.clone());
        if let Some(node) = self.store.get(&key) {
            return Ok(node);
        }
        if let Some(node) = self.client.get_opt::<Node>(&key).await? {
            return Ok(Arc::new(self.reconcile_labels(node).await?));
        }
        if !self.shared.config.register_node {
            return Err(Error::Request("the node is not registered, and registerNode is false".into()));
        }
        let input = self.input().await;
        let node = object::new_node(&input);
        match self.client.create(&node).await {
            Ok(node) => Ok(Arc::new(node)),
            Err(error) if error.is_already_exists() => Ok(Arc::new(self.client.get(&key).await?)),
            Err(error) => Err(error),
        }
    }

    /// A node that was there before has the labels that every kubelet sets.
    async fn reconcile_labels(&self, node: Node) -> Result<Node, Error> {
        let wanted = object::labels(&self.shared.config);
        let have = node.metadata.labels.clone().unwrap_or_default();
        if wanted.iter().all(|(key, value)| have.get(key) == Some(value)) {
            return Ok(node);
        }
        let patch = json!({"metadata": {"labels": wanted}});
        self.client.patch(&ObjectKey::of(&node), PatchKind::Strategic, &patch).await
    }

    /// What others decided about the node: labels, uid, pod range.
    async fn take_over(&mut self, node: &Node) {
        let uid = node.metadata.uid.clone();
        {
            let mut facts = self.shared.node.write().unwrap_or_else(PoisonError::into_inner);
            facts.labels = node.metadata.labels.clone().unwrap_or_default();
            facts.uid.clone_from(&uid);
        }
        if self.uid != uid {
            self.uid = uid;
            self.reported_at = None;
            (self.registered)();
        }
        let spec = node.spec.clone().unwrap_or_default();
        let pod_cidrs = spec.pod_cidrs.unwrap_or_else(|| spec.pod_cidr.into_iter().collect());
        if pod_cidrs.is_empty() || pod_cidrs == self.pod_cidrs {
            return;
        }
        match self.shared.network.set_pod_cidrs(pod_cidrs.clone()).await {
            Ok(()) => {
                remember_pod_cidrs(&self.shared.config, &pod_cidrs);
                self.pod_cidrs = pod_cidrs;
                (self.network_changed)();
            }
            Err(error) => tracing::error!(%error, ?pod_cidrs, "cannot set the pod network up"),
        }
    }

    async fn input(&self) -> NodeInput {
        let facts = self.shared.node();
        NodeInput {
            config: self.shared.config.clone(),
            facts,
            system: machine::system_info(),
            images: self.shared.images.list_images().await.unwrap_or_default(),
            network: self.shared.network.status().map_err(|error| error.to_string()),
            now: self.shared.clock.now(),
        }
    }

    /// Sends the status when it has changed, or when it is time.
    async fn report(&mut self, node: &Node) -> Result<(), Error> {
        let input = self.input().await;
        let old = node.status.clone().unwrap_or_default();
        let status = object::node_status(&input, &old);
        self.say(&status);
        let (old_json, new_json) = (encode(&old), encode(&status));
        let due = self.reported_at.is_none_or(|at| {
            let age = self.shared.clock.monotonic().saturating_sub(at);
            age >= self.shared.config.node_status_report_frequency
        });
        let changed = status_patch(&without_heartbeats(&old_json), &without_heartbeats(&new_json)).is_some();
        if !(due || changed) {
            return Ok(());
        }
        if let Some(patch) = status_patch(&old_json, &new_json) {
            let key = ObjectKey::of(node);
            let body = json!({"status": patch});
            self.client.patch_status::<Node>(&key, PatchKind::Strategic, &body).await?;
        }
        self.reported_at = Some(self.shared.clock.monotonic());
        Ok(())
    }

    /// `Node master status is now: NodeReady`, when a condition has changed.
    fn say(&mut self, status: &k8s_openapi::api::core::v1::NodeStatus) {
        let now: Vec<String> = object::condition_events(status).map(str::to_owned).collect();
        let name = &self.shared.config.node_name;
        let regarding = node_reference(name);
        for reason in now.iter().filter(|reason| !self.said.contains(reason)) {
            let message = format!("Node {name} status is now: {reason}");
            self.shared.events.record(&regarding, EventType::Normal, reason, &message);
        }
        if self.said.is_empty() {
            let message = "Updated Node Allocatable limit across pods";
            self.shared.events.record(&regarding, EventType::Normal, "NodeAllocatableEnforced", message);
        }
        self.said = now;
    }
}

/// Noted down, so that pods have their network when the kubelet starts again while no API server answers.
fn remember_pod_cidrs(config: &Config, pod_cidrs: &[String]) {
    let path = config.paths.pod_cidrs();
    let written =
        std::fs::create_dir_all(&config.paths.root).and_then(|()| std::fs::write(&path, pod_cidrs.join("\n")));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "cannot note the node's pod ranges down");
    }
}

/// The ranges to begin with: those that the node had, or without an API server those of the configuration.
pub(crate) fn first_pod_cidrs(config: &Config, has_api: bool) -> Vec<String> {
    let remembered = std::fs::read_to_string(config.paths.pod_cidrs()).unwrap_or_default();
    let remembered: Vec<String> = remembered.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if remembered.is_empty() && !has_api { vec![config.pod_cidr.clone()] } else { remembered }
}

fn encode(status: &k8s_openapi::api::core::v1::NodeStatus) -> Value {
    serde_json::to_value(status).unwrap_or_default()
}

fn without_heartbeats(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            condition.remove("lastHeartbeatTime");
        }
    }
    status
}

/// Amounts as a node's status has them: bytes in binary units, the others in decimal ones.
pub(crate) fn quantities(amounts: &Amounts) -> std::collections::BTreeMap<String, Quantity> {
    let bytes = |name: &str| name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
    let text = |name: &str, amount: &Milli| amount.to_quantity(bytes(name));
    amounts.iter().map(|(name, amount)| (name.clone(), text(name, amount))).collect()
}
