//! One writer, many watchers: how long a change takes to reach everyone, and how many are delivered in a second.

use crate::connection::Sent;
use crate::error::LoadError;
use crate::latencies::Latencies;
use crate::stream::Stream;
use crate::target::Target;
use clock::SharedClock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Stops waiting for stragglers after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// The object that is written carries its number here.
const MARK: &[u8] = b"\"number\":\"";

/// Runs `watchers` watches on one ConfigMap's namespace and `writes` changes of it, one after the other. A write is sent
/// when the last one is answered; watchers may lag.
///
/// # Errors
/// The server refuses, or a watch ends early.
pub async fn run(
    target: &Arc<Target>,
    clock: &SharedClock,
    namespace: &str,
    watchers: usize,
    writes: usize,
) -> Result<Value, LoadError> {
    let mut writer = target.connect().await?;
    let collection = format!("/api/v1/namespaces/{namespace}/configmaps");
    writer.expect(&Sent::delete(format!("{collection}/fanout"), ""), &[404]).await?;
    let (_, created) = writer.expect(&Sent::post(collection.clone(), body("none")), &[]).await?;
    let created: Value = serde_json::from_slice(&created).unwrap_or_default();
    let version = created["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
    let path = format!("{collection}?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3Dfanout");
    let (times, sent_at) = watch::channel(vec![Duration::ZERO; writes]);
    let mut tasks = Vec::with_capacity(watchers);
    for _ in 0..watchers {
        let stream = Stream::open(target.connect().await?, path.clone()).await?;
        tasks.push(tokio::spawn(follow(stream, clock.clone(), writes, sent_at.clone())));
    }
    let started = clock.monotonic();
    let mut answered = Latencies::default();
    for number in 0..writes {
        let sent = Sent::put(format!("{collection}/fanout"), body(&number.to_string()));
        let now = clock.monotonic();
        times.send_modify(|times| times[number] = now);
        writer.expect(&sent, &[]).await?;
        answered.add(clock.monotonic().saturating_sub(now));
    }
    let mut latencies = Latencies::default();
    for task in tasks {
        let seen = clock::timeout(&**clock, PATIENCE, task).await;
        let seen = seen.ok_or_else(|| LoadError::TimedOut("watchers to see the last write".to_owned()))?;
        latencies.merge(seen.map_err(|error| LoadError::Text(error.to_string()))??);
    }
    let seconds = clock.monotonic().saturating_sub(started).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "numbers of events")]
    let delivered = latencies.count() as f64;
    Ok(json!({"deliveries_per_second": delivered / seconds, "seconds": seconds, "latency": latencies.summary(),
        "write_latency": answered.summary()}))
}

fn body(number: &str) -> Vec<u8> {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fanout"}, "data": {"number": number}})
        .to_string()
        .into_bytes()
}

/// Reads until the last write is seen.
async fn follow(
    mut stream: Stream,
    clock: SharedClock,
    writes: usize,
    sent_at: watch::Receiver<Vec<Duration>>,
) -> Result<Latencies, LoadError> {
    let mut latencies = Latencies::default();
    while let Some(frame) = stream.next().await? {
        let Some(number) = number_in(&frame) else { continue };
        let sent = sent_at.borrow().get(number).copied();
        latencies.add(clock.monotonic().saturating_sub(sent.unwrap_or_default()));
        if number + 1 >= writes {
            return Ok(latencies);
        }
    }
    Err(LoadError::TimedOut("the rest of a watch that the server ended".to_owned()))
}

/// The number of the write, looked for in the bytes: a thousand parsers would be measured instead of the server.
fn number_in(frame: &[u8]) -> Option<usize> {
    let start = frame.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let end = frame[start..].iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&frame[start..start + end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_without_parsing() {
        assert_eq!(number_in(br#"{"object":{"data":{"number":"42"}}}"#), Some(42));
        assert_eq!(number_in(br#"{"object":{"data":{"number":"none"}}}"#), None);
        assert_eq!(number_in(b"{}"), None);
    }
}
