//! The loop of every controller: workers take keys from a queue, reconcile them, and put failures back with a delay.

use crate::{Shutdown, WorkQueue};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::fmt::Display;
use std::hash::Hash;
use std::time::Duration;

/// What a reconciliation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing until something changes.
    Done,
    /// Once more after this time, unless something changes sooner. Not a failure.
    RequeueAfter(Duration),
}

/// Runs `workers` workers until `shutdown`; then the keys in work are finished, and no other is begun.
///
/// A failed key comes back with the queue's exponential back-off, and its error is logged. Reconcilers get the key
/// alone: what there is to do is found by looking, so that a restart takes the same path.
pub async fn run_workers<T, F, Fut, E>(
    name: &'static str,
    queue: &WorkQueue<T>,
    workers: usize,
    shutdown: &Shutdown,
    reconcile: F,
) where
    T: Clone + Eq + Hash + Send + Sync + Display,
    F: Fn(T) -> Fut + Sync,
    Fut: Future<Output = Result<Outcome, E>> + Send,
    E: Display,
{
    let work = || async {
        while let Some(key) = queue.next().await {
            if shutdown.is_cancelled() {
                queue.done(&key);
                break;
            }
            match reconcile(key.clone()).await {
                Ok(outcome) => {
                    queue.forget(&key);
                    if let Outcome::RequeueAfter(delay) = outcome {
                        queue.add_after(key.clone(), delay);
                    }
                }
                Err(error) => {
                    let delay = queue.add_rate_limited(key.clone());
                    tracing::warn!(controller = name, %key, %error, retry_in = ?delay, "reconciliation failed");
                }
            }
            queue.done(&key);
        }
    };
    let mut pool: FuturesUnordered<_> = (0..workers.max(1)).map(|_| work()).collect();
    let stop = async {
        shutdown.cancelled().await;
        queue.shut_down();
        std::future::pending::<()>().await;
    };
    let all = async { while pool.next().await.is_some() {} };
    futures::pin_mut!(stop, all);
    futures::future::select(all, stop).await;
}
