//! A watch that outlives connections: it goes on after the last revision that it has handed over.

use super::Link;
use super::ask::{Pauses, revision_of};
use super::wire::{EventType, RangeRequest, WatchResponse};
use crate::{Batch, Event, Revision, Watch, WatchError};
use bytes::Bytes;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

/// Batches that may wait for the reader. Beyond that etcd keeps them, and they come from its history.
const MAX_QUEUED_BATCHES: usize = 64;

/// How one connection's life ended.
enum End {
    /// Try another connection.
    Broken,
    /// The next revision is no longer in etcd's history.
    Compacted(Revision),
    /// Nobody wants to know any more.
    Over,
}

/// Begins a watch of everything after a revision.
pub(super) async fn begin(link: Arc<Link>, after: Revision) -> Result<Watch, WatchError> {
    let latest = link.latest().await?;
    if after > latest {
        return Err(WatchError::Future { latest });
    }
    let after = after.max(Revision(1)); // what a new etcd begins with
    let at = i64::try_from(after.0).unwrap_or(i64::MAX);
    match link.range(&RangeRequest { revision: at, ..link.some_key() }).await {
        Ok(_) => {}
        Err(failure) if failure.is_out_of_range() => {
            return Err(WatchError::Compacted { oldest: oldest(&link, after).await.unwrap_or(latest) });
        }
        Err(failure) => return Err(WatchError::Read(failure.into())),
    }
    let (sender, batches) = mpsc::channel(MAX_QUEUED_BATCHES);
    tokio::spawn(run(link, after, sender));
    Ok(Watch::new(None, batches))
}

/// Up to where etcd's history is compacted: a watch of what is gone is told.
async fn oldest(link: &Arc<Link>, after: Revision) -> Option<Revision> {
    let deadline = link.deadline();
    let mut stream = link.once(deadline, open(link, after)).await.ok()?;
    loop {
        let answer = link.once(deadline, stream.message()).await.ok()??;
        if answer.compact_revision > 0 {
            return Some(revision_of(answer.compact_revision));
        }
        if !answer.created {
            return None;
        }
    }
}

async fn open(link: &Link, after: Revision) -> Result<Streaming<WatchResponse>, Status> {
    link.client.watch_all(i64::try_from(after.0).unwrap_or(i64::MAX).saturating_add(1)).await
}

/// Follows etcd until the reader or the store goes, or history is lost (then the reader sees the end, and is told why
/// when it watches again).
async fn run(link: Arc<Link>, mut after: Revision, sender: mpsc::Sender<Batch>) {
    let mut pauses = Pauses::default();
    loop {
        let before = after;
        let opened = tokio::select! {
            opened = open(&link, after) => opened,
            () = sender.closed() => return,
            () = link.closed.cancelled() => return,
        };
        let end = match opened {
            Ok(stream) => follow(&link, stream, &mut after, &sender).await,
            Err(_) => End::Broken,
        };
        match end {
            End::Over => return,
            End::Compacted(oldest) => {
                tracing::warn!(%after, %oldest, "etcd has compacted what a watch had not seen yet");
                return;
            }
            End::Broken => {}
        }
        if after > before {
            pauses = Pauses::default(); // it did work for a while
        } else {
            tracing::debug!(%after, "no watch of etcd; trying again");
        }
        if !pauses.wait(&link).await {
            return;
        }
    }
}

async fn follow(
    link: &Link,
    mut stream: Streaming<WatchResponse>,
    after: &mut Revision,
    sender: &mpsc::Sender<Batch>,
) -> End {
    loop {
        let answer = tokio::select! {
            answer = stream.message() => answer,
            () = sender.closed() => return End::Over,
            () = link.closed.cancelled() => return End::Over,
        };
        let Ok(Some(answer)) = answer else { return End::Broken };
        if answer.compact_revision > 0 {
            return End::Compacted(revision_of(answer.compact_revision));
        }
        if answer.canceled {
            tracing::warn!(reason = answer.cancel_reason, "etcd has ended a watch");
            return End::Broken;
        }
        let Some(batch) = batch(link, answer) else { continue };
        *after = batch.through;
        if sender.send(batch).await.is_err() {
            return End::Over;
        }
    }
}

/// The events of an answer; those of keys that are not ours only move the revision on. `None`: there were none.
fn batch(link: &Link, answer: WatchResponse) -> Option<Batch> {
    let through = revision_of(answer.events.last()?.kv.as_ref()?.mod_revision);
    let mut notes = link.notes.lock().unwrap_or_else(PoisonError::into_inner);
    let events = answer.events.into_iter().filter_map(|event| {
        let put = event.r#type() == EventType::Put;
        let kv = event.kv?;
        let key = link.place.inside(&kv.key)?;
        // Copied: else each would keep the whole answer.
        let value = put.then(|| Bytes::copy_from_slice(&kv.value));
        let note = value.as_ref().map(|value| notes.take(&key, value)).unwrap_or_default();
        Some(Event { revision: revision_of(kv.mod_revision), key: key.into(), value, note })
    });
    Some(Batch { events: events.collect(), through })
}
