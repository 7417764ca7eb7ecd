//! Requests in a closed loop: each connection sends its next request when the last is answered.

use crate::connection::Sent;
use crate::error::LoadError;
use crate::latencies::Latencies;
use crate::objects::{Shape, pod, pods_path};
use crate::target::Target;
use clock::SharedClock;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Work {
    /// New pods, `prefix-0`, `prefix-1`, …
    Create {
        /// Where.
        namespace: String,
        /// How they are called.
        prefix: String,
        /// What they are.
        shape: Shape,
    },
    /// One pod each, `prefix-0` up to `prefix-<count - 1>`, in turn.
    Get {
        /// Where.
        namespace: String,
        /// How they are called.
        prefix: String,
        /// How many there are.
        count: usize,
    },
    /// A path as it is.
    Path(String),
}

impl Work {
    fn request(&self, number: usize) -> Sent {
        match self {
            Self::Create { namespace, prefix, shape } => {
                Sent::post(pods_path(namespace), pod(&format!("{prefix}-{number}"), *shape))
            }
            Self::Get { namespace, prefix, count } => {
                // A stride that is coprime to round numbers, so that neighbours are not asked one after the other.
                const STRIDE: usize = 7919;
                let number = number.wrapping_mul(STRIDE) % (*count).max(1);
                Sent::get(format!("{}/{prefix}-{number}", pods_path(namespace)))
            }
            Self::Path(path) => Sent::get(path.clone()),
        }
    }
}

/// When to stop: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Requests in all.
    pub count: usize,
    /// Time.
    pub duration: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Of answered requests.
    pub latencies: Latencies,
    /// How often each status code came.
    pub codes: BTreeMap<u16, usize>,
    /// 429s that said when to come back.
    pub told_when: usize,
    /// Bytes of all bodies.
    pub bytes: usize,
    /// From the first request to the last answer.
    pub took: Duration,
}

impl Outcome {
    fn merge(&mut self, other: Self) {
        self.latencies.merge(other.latencies);
        other.codes.into_iter().for_each(|(code, count)| *self.codes.entry(code).or_default() += count);
        self.told_when += other.told_when;
        self.bytes += other.bytes;
    }

    /// Requests that were answered with 2xx.
    pub fn good(&self) -> usize {
        self.codes.iter().filter(|(code, _)| (200..300).contains(*code)).map(|(_, count)| count).sum()
    }

    /// As printed.
    pub fn summary(self) -> Value {
        let good = self.good();
        let seconds = self.took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "numbers of requests")]
        let per_second = if seconds > 0.0 { good as f64 / seconds } else { 0.0 };
        json!({
            "per_second": per_second, "seconds": seconds, "good": good, "bytes": self.bytes,
            "codes": self.codes.iter().map(|(code, count)| (code.to_string(), json!(count))).collect::<serde_json::Map<_, _>>(),
            "told_when": self.told_when, "latency": self.latencies.summary(),
        })
    }
}

/// Runs `work` on `connections` connections, which are opened before the clock starts.
///
/// # Errors
/// A connection cannot be opened or breaks.
pub async fn run(
    target: &Arc<Target>,
    clock: &SharedClock,
    work: Work,
    connections: usize,
    limit: Limit,
) -> Result<Outcome, LoadError> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(target.connect().await?);
    }
    let shared = Arc::new((work, AtomicUsize::new(0), AtomicBool::new(false)));
    let started = clock.monotonic();
    let workers: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let (shared, clock) = (shared.clone(), clock.clone());
            tokio::spawn(async move {
                let (work, next, failed) = &*shared;
                let mut outcome = Outcome::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let sent_at = clock.monotonic();
                    let over = number >= limit.count || sent_at.saturating_sub(started) >= limit.duration;
                    if over || failed.load(Ordering::Relaxed) {
                        return Ok(outcome);
                    }
                    let request = work.request(number);
                    let sent_at = clock.monotonic();
                    let answer =
                        connection.count(&request).await.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                    outcome.latencies.add(clock.monotonic().saturating_sub(sent_at));
                    *outcome.codes.entry(answer.code).or_default() += 1;
                    outcome.told_when += usize::from(answer.code == 429 && answer.retry_after);
                    outcome.bytes += answer.bytes;
                }
            })
        })
        .collect();
    let mut outcome = Outcome::default();
    for worker in workers {
        let part: Result<Outcome, LoadError> = worker.await.map_err(|error| LoadError::Text(error.to_string()))?;
        outcome.merge(part?);
    }
    outcome.took = clock.monotonic().saturating_sub(started);
    Ok(outcome)
}
