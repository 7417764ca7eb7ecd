//! How long a pod takes from `POST` to Ready on a real node, and what the API shows on the way.

use crate::connection::{Connection, Sent};
use crate::error::LoadError;
use crate::latencies::Latencies;
use crate::objects::{self, pods_path};
use crate::stream::Stream;
use crate::target::Target;
use clock::SharedClock;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Stops waiting for a pod after this.
const PATIENCE: Duration = Duration::from_secs(120);

/// Grace with which a pod's object goes before its containers do.
const AT_ONCE: u64 = 0;

/// The shortest grace with which a pod's object goes only when the node is done with the pod. A burst is deleted
/// so: else the next one would run beside forty pods that are being taken down, and be measured with them.
const ONCE_OFF_THE_NODE: u64 = 1;

/// What is started.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub namespace: String,
    /// An image that is on the node and has a `sleep`.
    pub image: String,
    /// With an init container that ends at once.
    pub init: bool,
    /// How many pods in all.
    pub count: usize,
    /// All at once, else one after the other.
    pub together: bool,
    /// Those of a burst go on running.
    pub keep: bool,
}

/// When a pod was seen in a state, since its `POST` was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    posted: Duration,
    scheduled: Option<Duration>,
    initialized: Option<Duration>,
    ready: Option<Duration>,
    gone: bool,
}

/// Measures.
///
/// # Errors
/// The server refuses, or a pod does not become ready in two minutes.
pub async fn run(target: &Arc<Target>, clock: &SharedClock, plan: &Plan) -> Result<Value, LoadError> {
    let mut connection = target.connect().await?;
    objects::ensure_namespace(&mut connection, &plan.namespace).await?;
    let path = pods_path(&plan.namespace);
    let stream = Stream::open(target.connect().await?, format!("{path}?watch=1&labelSelector=app%3Dstart")).await?;
    let mut watcher = Watcher { stream, clock: clock.clone(), pods: HashMap::new() };
    let started = clock.monotonic();
    let names: Vec<String> = (0..plan.count).map(|number| format!("start-{number}")).collect();
    if plan.together {
        post_all(target, clock, plan, &names, &mut watcher).await?;
        watcher.wait("pods to be ready", |pods| pods.values().all(|pod| pod.ready.is_some())).await?;
    } else {
        for name in &names {
            watcher.posted(name);
            connection.expect(&Sent::post(path.clone(), pod(name, plan)), &[]).await?;
            watcher.wait(name, |pods| pods[name].ready.is_some()).await?;
            delete(&mut connection, &path, name, AT_ONCE).await?;
            watcher.wait(name, |pods| pods[name].gone).await?;
        }
    }
    let took = clock.monotonic().saturating_sub(started);
    if plan.together && !plan.keep {
        for name in &names {
            delete(&mut connection, &path, name, ONCE_OFF_THE_NODE).await?;
        }
        watcher.wait("pods to go", |pods| pods.values().all(|pod| pod.gone)).await?;
    }
    Ok(summary(watcher.pods, plan.together.then_some(took)))
}

/// One connection each, opened before the clock starts.
async fn post_all(
    target: &Arc<Target>,
    clock: &SharedClock,
    plan: &Plan,
    names: &[String],
    watcher: &mut Watcher,
) -> Result<(), LoadError> {
    let mut connections = Vec::with_capacity(names.len());
    for _ in names {
        connections.push(target.connect().await?);
    }
    let _ = clock; // all pods count from one moment: the burst's
    let posts = names.iter().zip(&mut connections).map(|(name, connection)| {
        watcher.posted(name);
        let sent = Sent::post(pods_path(&plan.namespace), pod(name, plan));
        async move { connection.expect(&sent, &[]).await }
    });
    let posts: Vec<_> = posts.collect();
    futures::future::try_join_all(posts).await.map(drop)
}

async fn delete(
    connection: &mut Connection,
    path: &str,
    name: &str,
    grace_period_seconds: u64,
) -> Result<(), LoadError> {
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": grace_period_seconds});
    let options = options.to_string();
    connection.expect(&Sent::delete(format!("{path}/{name}"), options), &[404]).await.map(drop)
}

fn pod(name: &str, plan: &Plan) -> Vec<u8> {
    let container = |name: &str, command: &[&str]| json!({"name": name, "image": plan.image, "imagePullPolicy": "IfNotPresent", "command": command});
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "start"}},
        "spec": {
            "containers": [container("main", &["sleep", "1000"])], "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
        },
    });
    if plan.init {
        pod["spec"]["initContainers"] = json!([container("init", &["true"])]);
    }
    pod.to_string().into_bytes()
}

struct Watcher {
    stream: Stream,
    clock: SharedClock,
    pods: HashMap<String, Seen>,
}

impl Watcher {
    fn posted(&mut self, name: &str) {
        self.pods.insert(name.to_owned(), Seen { posted: self.clock.monotonic(), ..Seen::default() });
    }

    async fn wait(&mut self, what: &str, done: impl Fn(&HashMap<String, Seen>) -> bool) -> Result<(), LoadError> {
        let clock = self.clock.clone();
        while !done(&self.pods) {
            let frame = clock::timeout(&*clock, PATIENCE, self.stream.next()).await;
            let Some(frame) = frame.ok_or_else(|| LoadError::TimedOut(what.to_owned()))?? else {
                return Err(LoadError::TimedOut(format!("{what}: the watch ended")));
            };
            self.take(&serde_json::from_slice(&frame).unwrap_or_default());
        }
        Ok(())
    }

    fn take(&mut self, frame: &Value) {
        let (pod, now) = (&frame["object"], self.clock.monotonic());
        let Some(seen) = pod["metadata"]["name"].as_str().and_then(|name| self.pods.get_mut(name)) else { return };
        let since = now.saturating_sub(seen.posted);
        let conditions = pod["status"]["conditions"].as_array();
        let holds = |kind: &str| {
            conditions.into_iter().flatten().any(|condition| condition["type"] == kind && condition["status"] == "True")
        };
        if holds("PodScheduled") {
            seen.scheduled.get_or_insert(since);
        }
        if holds("Initialized") {
            seen.initialized.get_or_insert(since);
        }
        if holds("Ready") {
            seen.ready.get_or_insert(since);
        }
        seen.gone |= frame["type"] == "DELETED";
    }
}

fn summary(pods: HashMap<String, Seen>, all: Option<Duration>) -> Value {
    let steps = [("scheduled", 0), ("initialized", 1), ("ready", 2)].map(|(name, which)| {
        let mut latencies = Latencies::default();
        for seen in pods.values() {
            [seen.scheduled, seen.initialized, seen.ready][which].into_iter().for_each(|took| latencies.add(took));
        }
        (name.to_owned(), latencies.summary())
    });
    let mut summary: serde_json::Map<String, Value> = steps.into_iter().collect();
    if let Some(all) = all {
        summary.insert("all_seconds".to_owned(), all.as_secs_f64().into());
    }
    summary.into()
}
