//! Resource quotas: `status.used` is what is there (upstream's `resourcequota` controller).
//!
//! Admission charges what comes; here is counted what is left when things go, and everything again from time to time.
//! What an object counts for is the registry's (`registry::quota`), which admission asks too.

mod count;

use crate::Context;
use client::lean::Pod;
use client::{
    CONTROL_PLANE_PODS, Client, Informer, InformerBuilder, ObjectKey, Outcome, Selection, WorkQueue, run_workers,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, ResourceQuota, Service};
use std::time::Duration;

/// Quotas worked on at once; upstream's `--concurrent-resource-quota-syncs`.
const WORKERS: usize = 5;
/// Every quota is counted again this often, for the kinds that nothing here watches; upstream's
/// `--resource-quota-sync-period` is five minutes, and it watches all kinds.
const RESYNC: Duration = Duration::from_secs(60);

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let on_quota = queue.clone();
    let quotas = InformerBuilder::<ResourceQuota>::new(&context.informers, context.clock.clone(), Selection::all())
        .on_change(move |change| on_quota.add(change.key.clone()))
        .start(context.shutdown.clone());
    if !quotas.wait_synced().await {
        return;
    }
    let quotas = std::sync::Arc::new(quotas);
    let pods = watch(informer::<Pod>(&context).trim(CONTROL_PLANE_PODS), &context, &queue, &quotas);
    let services = watch(informer::<Service>(&context), &context, &queue, &quotas);
    let claims = watch(informer::<PersistentVolumeClaim>(&context), &context, &queue, &quotas);
    if !(pods.wait_synced().await && services.wait_synced().await && claims.wait_synced().await) {
        return;
    }
    run_workers("resourcequota", &queue, WORKERS, &context.shutdown, |key| {
        let quota = quotas.store().get(&key);
        let (client, reader) = (client.clone(), context.informers.clone());
        async move {
            let Some(quota) = quota else { return Ok(Outcome::Done) };
            let counted = count::counted(&reader, &quota).await?;
            if let Some(changed) = count::plan(&quota, counted) {
                match client.update_status(&changed).await {
                    Ok(_) => {}
                    // The informer brings the newer one, or that it is gone.
                    Err(error) if error.is_conflict() || error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, client::Error>(Outcome::RequeueAfter(RESYNC))
        }
    })
    .await;
}

fn informer<K>(context: &Context) -> InformerBuilder<K>
where
    K: client::Object + kube::Resource<DynamicType = ()>,
{
    InformerBuilder::new(&context.informers, context.clock.clone(), Selection::all())
}

/// Counts the quotas of a namespace again whenever something of a kind changes there.
fn watch<K: client::Object>(
    of_kind: InformerBuilder<K>,
    context: &Context,
    queue: &WorkQueue<ObjectKey>,
    quotas: &std::sync::Arc<Informer<ResourceQuota>>,
) -> Informer<K> {
    let (queue, quotas) = (queue.clone(), quotas.clone());
    of_kind
        .on_change(move |change| {
            let keys = quotas.store().keys().into_iter();
            keys.filter(|quota| quota.namespace == change.key.namespace).for_each(|quota| queue.add(quota));
        })
        .start(context.shutdown.clone())
}
