//! pod garbage collector: removes pods that nobody else will: of nodes that are gone, deleted before they were placed,
//! and ended ones beyond a number.
//!
//! A sweep every 20 s, as upstream's: absence makes no event, and nothing here is urgent.

use crate::Context;
use client::lean::Pod;
use client::{
    CONTROL_PLANE_NODES, CONTROL_PLANE_PODS, Client, DeleteParams, Error, InformerBuilder, ObjectKey, PatchKind,
    Preconditions, Selection, Store,
};
use k8s_openapi::api::core::v1::{self, Node};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Between two sweeps (`gcCheckPeriod`).
const PERIOD: Duration = Duration::from_secs(20);
/// A node must have been missing for so long (`quarantineTime`): it may be registering again.
const QUARANTINE: Duration = Duration::from_secs(40);
/// How many ended pods are kept (`--terminated-pod-gc-threshold`).
const TERMINATED_KEPT: usize = 12_500;

/// Why a pod is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Orphaned,
    UnscheduledTerminating,
    Terminated,
}

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let pods = InformerBuilder::<Pod>::new(&context.informers, context.clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_PODS)
        .start(context.shutdown.clone());
    let nodes = InformerBuilder::<Node>::new(&context.informers, context.clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_NODES)
        .start(context.shutdown.clone());
    if !(pods.wait_synced().await && nodes.wait_synced().await) {
        return;
    }
    let sweep = async {
        let mut missing_since: HashMap<String, Duration> = HashMap::new();
        loop {
            context.clock.sleep(PERIOD).await;
            let pods = pods.store().list();
            let now = context.clock.monotonic();
            let gone = gone_nodes(&client, nodes.store(), &pods, &mut missing_since, now).await;
            for (pod, why) in plan(&pods, &gone, TERMINATED_KEPT) {
                if let Err(error) = remove(&context, &client, &pod, why).await {
                    tracing::warn!(pod = %ObjectKey::of(&*pod), ?why, %error, "cannot remove a pod");
                }
            }
        }
    };
    let stopped = context.shutdown.cancelled();
    futures::pin_mut!(sweep, stopped);
    futures::future::select(stopped, sweep).await;
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

/// Nodes that pods name and that have been missing for the quarantine. The API has the last word: the informer may lag.
async fn gone_nodes(
    client: &Client,
    nodes: &Store<Node>,
    pods: &[Arc<Pod>],
    missing_since: &mut HashMap<String, Duration>,
    now: Duration,
) -> HashSet<String> {
    let named: HashSet<&str> = pods.iter().filter_map(|pod| node_of(pod)).collect();
    let is_missing = |name: &&str| nodes.get(&ObjectKey::cluster(*name)).is_none();
    let missing: HashSet<&str> = named.into_iter().filter(is_missing).collect();
    missing_since.retain(|name, _| missing.contains(name.as_str()));
    let mut gone = HashSet::new();
    for name in missing {
        let since = *missing_since.entry(name.to_owned()).or_insert(now);
        if now.saturating_sub(since) < QUARANTINE {
            continue;
        }
        match client.get_opt::<Node>(&ObjectKey::cluster(name)).await {
            Ok(None) => drop(gone.insert(name.to_owned())),
            Ok(Some(_)) => {}
            Err(error) => tracing::warn!(node = name, %error, "cannot tell whether a node is gone"),
        }
    }
    gone
}

/// Which pods to remove.
fn plan(pods: &[Arc<Pod>], gone: &HashSet<String>, keep_terminated: usize) -> Vec<(Arc<Pod>, Why)> {
    let mut removals = Vec::new();
    let mut terminated = Vec::new();
    for pod in pods {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if node_of(pod).is_some_and(|node| gone.contains(node)) {
            removals.push((pod.clone(), Why::Orphaned));
        } else if pod.metadata.deletion_timestamp.is_some() && node_of(pod).is_none() {
            removals.push((pod.clone(), Why::UnscheduledTerminating));
        } else if matches!(phase, Some("Succeeded" | "Failed")) {
            terminated.push(pod);
        }
    }
    let surplus = terminated.len().saturating_sub(keep_terminated);
    terminated.sort_by(|a, b| a.metadata.creation_timestamp.cmp(&b.metadata.creation_timestamp));
    removals.extend(terminated.into_iter().take(surplus).map(|pod| (pod.clone(), Why::Terminated)));
    removals
}

async fn remove(context: &Context, client: &Client, pod: &Pod, why: Why) -> Result<(), Error> {
    let key = ObjectKey::of(pod);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if !matches!(phase, Some("Succeeded" | "Failed")) {
        let mut status = json!({"phase": "Failed"});
        if why == Why::Orphaned {
            status["conditions"] = json!([{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists", "lastTransitionTime": Time(context.clock.now()),
                "observedGeneration": pod.metadata.generation}]);
        }
        set_status(client, &key, &json!({"status": status})).await?;
    }
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid: pod.metadata.uid.clone(), resource_version: None }),
        ..DeleteParams::default()
    };
    match client.delete::<v1::Pod>(&key, &params).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn set_status(client: &Client, key: &ObjectKey, patch: &Value) -> Result<(), Error> {
    match client.patch_status::<v1::Pod>(key, PatchKind::Strategic, patch).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, node: &str, phase: &str, created: i64, more: &Value) -> Arc<Pod> {
        let created = jiff::Timestamp::from_second(created).unwrap().to_string();
        let mut value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "creationTimestamp": created},
            "spec": {"nodeName": node, "containers": []}, "status": {"phase": phase}});
        if more.is_string() {
            value["metadata"]["deletionTimestamp"] = more.clone();
        }
        Arc::new(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn what_goes_and_why() {
        let deleted = json!("2026-01-01T00:00:00Z");
        let pods = [
            pod("fine", "node1", "Running", 1, &Value::Null),
            pod("orphan", "gone", "Running", 1, &Value::Null),
            pod("unplaced", "", "Pending", 1, &deleted),
            pod("waiting", "", "Pending", 1, &Value::Null),
            pod("stopping", "node1", "Running", 1, &deleted),
            pod("young", "node1", "Succeeded", 9, &Value::Null),
            pod("old", "node1", "Failed", 2, &Value::Null),
        ];
        let gone = HashSet::from(["gone".to_owned()]);
        let removed: Vec<String> =
            plan(&pods, &gone, 1).iter().map(|(pod, why)| format!("{} {why:?}", ObjectKey::of(&**pod))).collect();
        assert_eq!(removed, ["orphan Orphaned", "unplaced UnscheduledTerminating", "old Terminated"]);
    }
}
