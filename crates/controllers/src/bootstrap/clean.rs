//! Bootstrap tokens that have ended are deleted (upstream's `tokencleaner.go`).

use super::{TokenSecret, tokens};
use crate::Context;
use client::{Client, DeleteParams, InformerBuilder, ObjectKey, Outcome, Preconditions, WorkQueue, run_workers};
use k8s_openapi::api::core::v1::Secret;
use std::time::Duration;

/// Tokens worked on at once.
const WORKERS: usize = 1;

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let on_secret = queue.clone();
    let secrets = InformerBuilder::<Secret>::new(&context.informers, context.clock.clone(), tokens())
        .on_change(move |change| on_secret.add(change.key.clone()))
        .start(context.shutdown.clone());
    if !secrets.wait_synced().await {
        return;
    }
    run_workers("token-cleaner", &queue, WORKERS, &context.shutdown, |key| {
        let secret = secrets.store().get(&key);
        let (client, now) = (client.clone(), context.clock.now());
        async move {
            let Some(secret) = secret else { return Ok(Outcome::Done) };
            let Some(end) = TokenSecret::read(&secret).and_then(|token| token.expiration) else {
                return Ok(Outcome::Done);
            };
            let left = end.as_second().saturating_sub(now.as_second());
            if left > 0 {
                return Ok(Outcome::RequeueAfter(Duration::from_secs(u64::try_from(left).unwrap_or(1))));
            }
            // another of the same name may have come meanwhile
            let preconditions = Some(Preconditions { uid: secret.metadata.uid.clone(), resource_version: None });
            let params = DeleteParams { preconditions, ..DeleteParams::default() };
            match client.delete::<Secret>(&key, &params).await {
                Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
                _ => Ok(Outcome::Done),
            }
        }
    })
    .await;
}
