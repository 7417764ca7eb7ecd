//! Scheduling through the API: pods are created as fast as that goes, and a watch counts those that have a node.

use crate::connection::Sent;
use crate::error::LoadError;
use crate::objects::{self, Shape, pods_path};
use crate::requests::{self, Limit, Work};
use crate::stream::Stream;
use crate::target::Target;
use clock::SharedClock;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Connections that create pods.
const CREATORS: usize = 32;
/// Stops waiting for the last pod after this.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
struct Frame {
    object: Pod,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    node_name: String,
}

#[derive(Deserialize)]
struct Listed {
    items: Vec<IgnoredAny>,
}

/// Between two looks at whether earlier pods still start.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until no more pods than before are between having a node and running: what an earlier round began is done, or
/// nobody does it.
async fn settle(target: &Arc<Target>, clock: &SharedClock) -> Result<(), LoadError> {
    let path = "/api/v1/pods?fieldSelector=spec.nodeName%21%3D,status.phase%3DPending";
    let mut connection = target.connect().await?;
    let mut before = None;
    loop {
        let (_, list) = connection.expect(&Sent::get(path), &[]).await?;
        let list: Listed = serde_json::from_slice(&list).map_err(|error| LoadError::Text(error.to_string()))?;
        let starting = list.items.len();
        if starting == 0 || before.is_some_and(|before| starting >= before) {
            return Ok(());
        }
        before = Some(starting);
        clock.sleep(LOOK).await;
    }
}

/// Creates `pods` pods of `shape` in `namespace` and waits until all have nodes. Begins when earlier pods run.
///
/// # Errors
/// The server refuses; or not all get nodes within ten minutes.
pub async fn run(
    target: &Arc<Target>,
    clock: &SharedClock,
    namespace: &str,
    pods: usize,
    shape: Shape,
) -> Result<Value, LoadError> {
    objects::ensure_namespace(&mut target.connect().await?, namespace).await?;
    settle(target, clock).await?;
    let path = format!("{}?watch=1&fieldSelector=spec.nodeName%21%3D", pods_path(namespace));
    let stream = Stream::open(target.connect().await?, path).await?;
    let started = clock.monotonic();
    let bound = tokio::spawn(count_bound(stream, pods));
    let work = Work::Create { namespace: namespace.to_owned(), prefix: "pod".to_owned(), shape };
    let limit = Limit { count: pods, duration: PATIENCE };
    let created = requests::run(target, clock, work, CREATORS, limit).await?;
    if created.good() < pods {
        return Err(LoadError::Text(format!(
            "only {} of {pods} pods were created: {:?}",
            created.good(),
            created.codes
        )));
    }
    let created_after = clock.monotonic().saturating_sub(started);
    let bound = clock::timeout(&**clock, PATIENCE, bound).await;
    let bound = bound.ok_or_else(|| LoadError::TimedOut("all pods to have nodes".to_owned()))?;
    bound.map_err(|error| LoadError::Text(error.to_string()))??;
    let seconds = clock.monotonic().saturating_sub(started).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "numbers of pods")]
    let per_second = pods as f64 / seconds;
    Ok(json!({"per_second": per_second, "seconds": seconds, "created_seconds": created_after.as_secs_f64(),
        "create_latency": created.latencies.summary()}))
}

async fn count_bound(mut stream: Stream, pods: usize) -> Result<(), LoadError> {
    let mut seen = HashSet::with_capacity(pods);
    while let Some(frame) = stream.next().await? {
        let frame: Frame = serde_json::from_slice(&frame).map_err(|error| LoadError::Text(error.to_string()))?;
        if !frame.object.spec.node_name.is_empty() {
            seen.insert(frame.object.metadata.name);
        }
        if seen.len() >= pods {
            return Ok(());
        }
    }
    Err(LoadError::TimedOut("the rest of a watch that the server ended".to_owned()))
}
