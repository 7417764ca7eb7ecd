//! Watches over nodes: one whose lease is no longer renewed is unknown, and conditions become taints (upstream's
//! `node_lifecycle_controller`, taint by condition).

mod heartbeat;
mod plan;

use crate::Context;
use client::lean::Pod;
use client::{
    CONTROL_PLANE_NODES, CONTROL_PLANE_PODS, Client, Error, EventRecorder, EventSource, EventType, Fields,
    InformerBuilder, ObjectKey, Outcome, Part, PatchKind, Selection, Trim, WorkQueue, reference, run_workers,
};
use heartbeat::Heartbeats;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{self, Node};
use plan::{GRACE, Verdict};
use serde_json::{Value, json};
use std::sync::Arc;

/// Nodes worked on at once; upstream's UpdateWorkerSize is 8 for the taints.
const WORKERS: usize = 8;
/// Where kubelets renew their leases.
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// Name of the index of pods by node.
const BY_NODE: &str = "node";

/// Of leases, when they were renewed.
const RENEWALS: Trim<Lease> = Trim::new(
    "renewals",
    &Fields {
        named: &[
            ("metadata", Part::Fields(&Fields { named: &KEY_AND_VERSION, others: Part::Nothing })),
            ("spec", Part::Fields(&Fields { named: &[("renewTime", Part::Whole)], others: Part::Nothing })),
        ],
        others: Part::Nothing,
    },
);
const KEY_AND_VERSION: [(&str, Part<'static>); 3] =
    [("name", Part::Whole), ("namespace", Part::Whole), ("resourceVersion", Part::Whole)];

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let source = EventSource::Core { component: "node-controller".to_owned(), host: String::new() };
    let (recorder, task) = EventRecorder::new(client.clone(), context.clock.clone(), source);
    tokio::spawn(task.run(context.shutdown.clone()));
    let heartbeats = Arc::new(Heartbeats::default());
    let (on_node, on_lease) = (queue.clone(), queue.clone());
    let (seen, gone, clock) = (heartbeats.clone(), heartbeats.clone(), context.clock.clone());
    let nodes = InformerBuilder::<Node>::new(&context.informers, context.clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_NODES)
        .on_change(move |change| {
            if let (None, Some(node)) = (&change.old, &change.new) {
                registered(&recorder, node);
            }
            if change.new.is_none() {
                gone.forget(&change.key.name);
            }
            on_node.add(change.key.clone());
        })
        .start(context.shutdown.clone());
    let leases =
        InformerBuilder::<Lease>::new(&context.informers, context.clock.clone(), Selection::namespace(LEASE_NAMESPACE))
            .trim(RENEWALS)
            .on_change(move |change| {
                if let Some(lease) = &change.new {
                    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
                    if seen.renewed(&change.key.name, renewed, clock.monotonic()) {
                        on_lease.add(ObjectKey::cluster(change.key.name.clone()));
                    }
                }
            })
            .start(context.shutdown.clone());
    let by_node = |pod: &Pod| pod.spec.iter().filter_map(|spec| spec.node_name.clone()).collect();
    let pods = InformerBuilder::<Pod>::new(&context.informers, context.clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_PODS)
        .index(BY_NODE, by_node)
        .start(context.shutdown.clone());
    if !(nodes.wait_synced().await && leases.wait_synced().await && pods.wait_synced().await) {
        return;
    }
    run_workers("node-lifecycle", &queue, WORKERS, &context.shutdown, |key| {
        let node = nodes.store().get(&key);
        let silent = heartbeats.silent_for(&key.name, context.clock.monotonic());
        let pods = pods.store().by_index(BY_NODE, &key.name);
        let (client, now) = (client.clone(), context.clock.now());
        async move {
            let Some(node) = node else { return Ok::<_, Error>(Outcome::Done) };
            let verdict = plan::verdict(&node, silent, now);
            carry_out(&client, &key, &verdict).await?;
            if verdict.pods_not_ready {
                mark_pods_not_ready(&client, &pods, now).await?;
            }
            Ok(Outcome::RequeueAfter(GRACE.saturating_sub(silent).max(plan::MONITOR_PERIOD)))
        }
    })
    .await;
}

fn registered(recorder: &EventRecorder, node: &Node) {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let message = format!("Node {name} event: Registered Node {name} in Controller");
    // upstream names the node by its name where others have the uid
    let mut about = reference(node);
    about.uid = Some(node.metadata.uid.clone().unwrap_or_default());
    recorder.event(&about, EventType::Normal, "RegisteredNode", message);
}

async fn carry_out(client: &Client, key: &ObjectKey, verdict: &Verdict) -> Result<(), Error> {
    if let Some(conditions) = &verdict.conditions {
        let patch = json!({"status": {"conditions": conditions}});
        ignore_gone(client.patch_status::<Node>(key, PatchKind::Strategic, &patch).await)?;
    }
    if let Some(taints) = &verdict.taints {
        // the list is replaced as a whole; the version makes sure that nobody else's taint is lost
        let patch = json!({
            "metadata": {"resourceVersion": verdict.resource_version},
            "spec": {"taints": taints},
        });
        match client.patch::<Node>(key, PatchKind::Merge, &patch).await {
            // the informer brings the newer node, and with it this key again
            Err(error) if error.is_conflict() => {}
            outcome => ignore_gone(outcome)?,
        }
    }
    Ok(())
}

/// `MarkPodsNotReady`: the services behind must not send traffic to a node that does not answer.
async fn mark_pods_not_ready(client: &Client, pods: &[Arc<Pod>], now: jiff::Timestamp) -> Result<(), Error> {
    for pod in pods.iter().filter(|pod| plan::is_ready(pod)) {
        let condition: Value = json!({
            "type": "Ready", "status": "False", "lastTransitionTime": plan::time_text(now),
        });
        let patch = json!({"status": {"conditions": [condition]}});
        ignore_gone(client.patch_status::<v1::Pod>(&ObjectKey::of(&**pod), PatchKind::Strategic, &patch).await)?;
    }
    Ok(())
}

fn ignore_gone<K>(result: Result<K, Error>) -> Result<(), Error> {
    match result {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
