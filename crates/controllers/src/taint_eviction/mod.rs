//! Pods leave nodes with a `NoExecute` taint that they do not tolerate, or when their toleration runs out (upstream's
//! `taint-eviction-controller`).

mod plan;

use crate::Context;
use client::lean::Pod;
use client::{
    CONTROL_PLANE_NODES, CONTROL_PLANE_PODS, Client, DeleteParams, Error, EventRecorder, EventSource, EventType,
    InformerBuilder, ObjectKey, Outcome, PatchKind, Preconditions, Selection, WorkQueue, reference, run_workers,
};
use k8s_openapi::api::core::v1::{self, Node};
use plan::Eviction;
use serde_json::json;

/// Upstream's number of pod update workers.
const WORKERS: usize = 8;
/// Name of the index of pods by node.
const BY_NODE: &str = "node";

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let source = EventSource::Core { component: "taint-eviction-controller".to_owned(), host: String::new() };
    let (recorder, task) = EventRecorder::new(client.clone(), context.clock.clone(), source);
    tokio::spawn(task.run(context.shutdown.clone()));
    let on_pod = queue.clone();
    let pods = InformerBuilder::<Pod>::new(&context.informers, context.clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_PODS)
        .index(BY_NODE, |pod| pod.spec.iter().filter_map(|spec| spec.node_name.clone()).collect())
        .on_change(move |change| on_pod.add(change.key.clone()))
        .start(context.shutdown.clone());
    if !pods.wait_synced().await {
        return;
    }
    let (on_node, of_node) = (queue.clone(), pods.clone());
    let nodes = InformerBuilder::<Node>::new(&context.informers, context.clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_NODES)
        .on_change(move |change| {
            if taints(change.old.as_deref()) != taints(change.new.as_deref()) {
                of_node
                    .store()
                    .by_index(BY_NODE, &change.key.name)
                    .iter()
                    .for_each(|pod| on_node.add(ObjectKey::of(&**pod)));
            }
        })
        .start(context.shutdown.clone());
    if !nodes.wait_synced().await {
        return;
    }
    run_workers("taint-eviction", &queue, WORKERS, &context.shutdown, |key| {
        let pod = pods.store().get(&key);
        let node_name = pod.as_ref().and_then(|pod| pod.spec.as_ref()?.node_name.clone()).unwrap_or_default();
        let node = nodes.store().get(&ObjectKey::cluster(node_name));
        let (client, recorder, now) = (client.clone(), recorder.clone(), context.clock.now());
        async move {
            let (Some(pod), Some(node)) = (pod, node) else { return Ok(Outcome::Done) };
            match plan::eviction(&pod, taints(Some(&node)).unwrap_or_default(), now) {
                Eviction::Never => Ok(Outcome::Done),
                Eviction::After(wait) => Ok(Outcome::RequeueAfter(wait)),
                Eviction::Now => evict(&client, &recorder, &pod, now).await.map(|()| Outcome::Done),
            }
        }
    })
    .await;
}

fn taints(node: Option<&Node>) -> Option<&[k8s_openapi::api::core::v1::Taint]> {
    node?.spec.as_ref()?.taints.as_deref()
}

async fn evict(client: &Client, recorder: &EventRecorder, pod: &Pod, now: jiff::Timestamp) -> Result<(), Error> {
    let key = ObjectKey::of(pod);
    recorder.event(
        &reference(pod),
        EventType::Normal,
        "TaintManagerEviction",
        format!("Marking for deletion Pod {key}"),
    );
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    let patch = json!({"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}});
    let patched = client.patch_status::<v1::Pod>(&key, PatchKind::Strategic, &patch).await.map(drop);
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: pod.metadata.uid.clone(), resource_version: None }),
        ..DeleteParams::default()
    };
    match patched {
        Ok(()) => match client.delete::<v1::Pod>(&key, &params).await {
            // another pod of that name is not the one to evict
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
            _ => Ok(()),
        },
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}
