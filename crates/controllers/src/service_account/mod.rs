//! Every namespace has a service account `default` (upstream's `serviceaccounts_controller`).

use crate::Context;
use client::{Client, Error, InformerBuilder, ObjectKey, Outcome, Selection, WorkQueue, run_workers};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};

/// The account that pods have unless they name another.
const DEFAULT_ACCOUNT: &str = "default";
/// Namespaces worked on at once.
const WORKERS: usize = 1;

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let (on_namespace, on_account) = (queue.clone(), queue.clone());
    let namespaces = InformerBuilder::<Namespace>::new(&context.informers, context.clock.clone(), Selection::all())
        .on_change(move |change| on_namespace.add(change.key.clone()))
        .start(context.shutdown.clone());
    let selection = Selection::fields(format!("metadata.name={DEFAULT_ACCOUNT}"));
    let accounts = InformerBuilder::<ServiceAccount>::new(&context.informers, context.clock.clone(), selection)
        .on_change(move |change| {
            if change.new.is_none() {
                on_account.add(ObjectKey::cluster(change.key.namespace.clone()));
            }
        })
        .start(context.shutdown.clone());
    if !(namespaces.wait_synced().await && accounts.wait_synced().await) {
        return;
    }
    run_workers("serviceaccount", &queue, WORKERS, &context.shutdown, |key| {
        let present = accounts.store().get(&ObjectKey::namespaced(&key.name, DEFAULT_ACCOUNT)).is_some();
        let active = namespaces.store().get(&key).is_some_and(|namespace| is_active(&namespace));
        let client = client.clone();
        async move {
            if present || !active {
                return Ok(Outcome::Done);
            }
            created(client.create(&default_account(&key.name)).await)
        }
    })
    .await;
}

fn is_active(namespace: &Namespace) -> bool {
    namespace.metadata.deletion_timestamp.is_none()
}

fn default_account(namespace: &str) -> ServiceAccount {
    let mut account = ServiceAccount::default();
    account.metadata.name = Some(DEFAULT_ACCOUNT.to_owned());
    account.metadata.namespace = Some(namespace.to_owned());
    account
}

/// Somebody else's creation is as good as ours, and a namespace that has begun to go needs nothing any more.
pub(crate) fn created<K>(result: Result<K, Error>) -> Result<Outcome, Error> {
    match result {
        Err(error) if !error.is_already_exists() && !error.is_not_found() && !error.is_namespace_terminating() => {
            Err(error)
        }
        _ => Ok(Outcome::Done),
    }
}
