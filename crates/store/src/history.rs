//! The last events, so that a watch can begin a little in the past; and the open watches.

use crate::{Batch, Event, Feed, Revision, Watch, WatchError};
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Events kept for watches that begin in the past. The API server keeps a longer history of its own; this one bridges
/// the moment between load and watch, and a watch that was cut off.
pub(crate) const MAX_EVENTS: usize = 4096;
/// The bytes that those events may hold together.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Batches that may wait for a watcher before it is cut off.
const MAX_QUEUED_BATCHES: usize = 1024;

/// Bounded history and the watchers that follow it.
#[derive(Debug)]
pub(crate) struct History {
    events: VecDeque<Event>,
    bytes: usize,
    /// Events up to and including this revision are gone.
    compacted: Revision,
    latest: Revision,
    watchers: Vec<mpsc::Sender<Batch>>,
    feeds: Vec<Feed>,
}

fn size(event: &Event) -> usize {
    event.key.len() + event.value.as_ref().map_or(0, bytes::Bytes::len)
}

impl History {
    /// An empty history: the first event will be the one after `latest`.
    pub(crate) fn new(latest: Revision) -> Self {
        Self { events: VecDeque::new(), bytes: 0, compacted: latest, latest, watchers: Vec::new(), feeds: Vec::new() }
    }

    /// Takes committed events in, and hands them to every feed and watcher; after them everything up to `through` is here.
    /// A watcher whose queue is full is cut off.
    pub(crate) fn publish(&mut self, events: Vec<Event>, through: Revision) {
        self.latest = through;
        for event in &events {
            self.bytes += size(event);
            self.events.push_back(event.clone());
        }
        while self.events.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.events.len() > 1) {
            let Some(old) = self.events.pop_front() else { break };
            self.bytes -= size(&old);
            self.compacted = old.revision;
        }
        let batch = Batch { events: events.into(), through };
        self.feeds.retain_mut(|feed| feed.take(&batch));
        self.watchers.retain(|watcher| watcher.try_send(batch.clone()).is_ok());
    }

    /// Begins a watch.
    pub(crate) fn watch(&mut self, after: Revision) -> Result<Watch, WatchError> {
        let replay = self.missed(after)?;
        let (sender, receiver) = mpsc::channel(MAX_QUEUED_BATCHES);
        self.watchers.push(sender);
        Ok(Watch::new(replay, receiver))
    }

    /// Begins to feed; what was missed comes at once.
    pub(crate) fn feed(&mut self, after: Revision, mut feed: Feed) -> Result<(), WatchError> {
        if self.missed(after)?.is_none_or(|missed| feed.take(&missed)) {
            self.feeds.push(feed);
        }
        Ok(())
    }

    fn missed(&self, after: Revision) -> Result<Option<Batch>, WatchError> {
        if after < self.compacted {
            return Err(WatchError::Compacted { oldest: self.compacted });
        }
        if after > self.latest {
            return Err(WatchError::Future { latest: self.latest });
        }
        let start = self.events.partition_point(|event| event.revision <= after);
        let missed: Vec<Event> = self.events.range(start..).cloned().collect();
        Ok((!missed.is_empty()).then(|| Batch { events: missed.into(), through: self.latest }))
    }

    /// Ends all watches.
    pub(crate) fn close(&mut self) {
        self.watchers.clear();
        self.feeds.clear();
    }
}
