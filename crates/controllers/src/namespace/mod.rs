//! Deletes what is in a namespace that is to go, then lets the namespace go (upstream's `namespace_controller` and its
//! `namespacedResourcesDeleter`).

mod conditions;
mod content;

use crate::Context;
use client::lean::Pod;
use client::{
    CONTROL_PLANE_PODS, Client, Error, InformerBuilder, ObjectKey, Outcome, Selection, WorkQueue, run_workers,
};
use conditions::Findings;
use k8s_openapi::api::core::v1::Namespace;
use serde_json::Value;
use std::time::Duration;

/// Namespaces worked on at once (`--concurrent-namespace-syncs`).
const WORKERS: usize = 10;
/// The finalizer that is this controller's.
const FINALIZER: &str = "kubernetes";
/// When to look again at content that does not go by itself: somebody's finalizers hold it, and nothing tells us when
/// they are gone, since any kind of object may be meant.
const RETRY: Duration = Duration::from_secs(2);

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let (on_namespace, on_pod) = (queue.clone(), queue.clone());
    let namespaces = InformerBuilder::<Namespace>::new(&context.informers, context.clock.clone(), Selection::all())
        .on_change(move |change| on_namespace.add(change.key.clone()))
        .start(context.shutdown.clone());
    // pods are what a namespace usually waits for: their end is told, not asked for
    let pods = InformerBuilder::<Pod>::new(&context.informers, context.clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_PODS)
        .on_change(move |change| {
            if change.new.is_none() {
                on_pod.add(ObjectKey::cluster(change.key.namespace.clone()));
            }
        })
        .start(context.shutdown.clone());
    if !(namespaces.wait_synced().await && pods.wait_synced().await) {
        return;
    }
    run_workers("namespace", &queue, WORKERS, &context.shutdown, |key| {
        let namespace = namespaces.store().get(&key);
        let (client, now) = (client.clone(), context.clock.now());
        async move {
            match namespace {
                Some(namespace) if must_finalize(&namespace) => finish(&client, &namespace, now).await,
                _ => Ok(Outcome::Done),
            }
        }
    })
    .await;
}

fn must_finalize(namespace: &Namespace) -> bool {
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_deref()).unwrap_or_default();
    namespace.metadata.deletion_timestamp.is_some() && finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

async fn finish(client: &Client, namespace: &Namespace, now: jiff::Timestamp) -> Result<Outcome, Error> {
    let key = ObjectKey::of(namespace);
    let findings = content::delete_all(client, &key.name).await?;
    if findings.is_empty() {
        return finalize(client, namespace).await.map(|()| Outcome::Done);
    }
    write_conditions(client, namespace, &findings, now).await?;
    // pods in their grace period wake us up when they end
    let waits_for_pods_only = findings.waits_for_pods_only();
    Ok(if waits_for_pods_only { Outcome::Done } else { Outcome::RequeueAfter(RETRY) })
}

async fn write_conditions(
    client: &Client,
    namespace: &Namespace,
    findings: &Findings,
    now: jiff::Timestamp,
) -> Result<(), Error> {
    let present = serde_json::to_value(namespace).map_err(Error::encode)?;
    let present = present.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let wanted = conditions::conditions(findings, &present, now);
    if wanted == present {
        return Ok(());
    }
    let mut changed = namespace.clone();
    let conditions = serde_json::from_value(wanted.into()).map_err(Error::Decode)?;
    changed.status.get_or_insert_default().conditions = Some(conditions);
    // the role allows update, not patch; after a conflict the newer version brings the key back
    match client.update_status(&changed).await {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}

/// `PUT …/finalize` without our finalizer.
async fn finalize(client: &Client, namespace: &Namespace) -> Result<(), Error> {
    let mut released = namespace.clone();
    if let Some(finalizers) = released.spec.as_mut().and_then(|spec| spec.finalizers.as_mut()) {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
    match client.update_subresource("finalize", &released).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
