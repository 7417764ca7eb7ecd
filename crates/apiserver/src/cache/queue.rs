//! The changes that wait for one watcher: a queue that ends, and holds nothing any more, when its reader is too slow.
//!
//! What it may hold is bounded in number and in bytes. A reader that stands still pins nothing: at the bound the queue
//! lets go of everything at once, so that ten thousand stuck clients cost no more than idle ones.

use super::Change;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Changes that may wait for one watcher before it is cut off.
pub(crate) const MAX_QUEUED_CHANGES: usize = 4096;
/// The bytes of their new states together: a second of the busiest resource.
const MAX_QUEUED_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
struct State {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    /// Nothing is added any more.
    ended: bool,
    cut_off: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    came: Notify,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The cache's end.
#[derive(Debug)]
pub(crate) struct Feeder(Arc<Shared>);

/// The watcher's end.
#[derive(Debug)]
pub struct Changes(Arc<Shared>);

/// An empty queue.
pub(crate) fn queue() -> (Feeder, Changes) {
    let shared = Arc::new(Shared::default());
    (Feeder(shared.clone()), Changes(shared))
}

impl Feeder {
    /// Adds a change. False: the watcher has gone, or is cut off by this.
    pub(crate) fn offer(&self, change: &Arc<Change>) -> bool {
        let taken = self.0.with(|state| {
            if state.ended {
                return false;
            }
            let bytes = state.bytes + change.entry.frame_bytes();
            // One change alone always fits.
            let full = state.changes.len() >= MAX_QUEUED_CHANGES || bytes > MAX_QUEUED_BYTES;
            if full && !state.changes.is_empty() {
                *state = State { ended: true, cut_off: true, ..State::default() };
                return false;
            }
            state.bytes = bytes;
            state.changes.push_back(change.clone());
            true
        });
        self.0.came.notify_one();
        taken
    }

    /// Whether the watcher still listens.
    pub(super) fn is_open(&self) -> bool {
        !self.0.with(|state| state.ended)
    }
}

/// The cache has begun anew: what the watcher would be told next is not known.
impl Drop for Feeder {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.cut_off |= !state.ended;
            state.ended = true;
        });
        self.0.came.notify_one();
    }
}

impl Changes {
    /// The next change; `None` once there will be none.
    pub async fn recv(&mut self) -> Option<Arc<Change>> {
        loop {
            match self.0.with(|state| (pop(state), state.ended)) {
                (Some(change), _) => return Some(change),
                (None, true) => return None,
                // There is one reader, so that a change which came meanwhile has left its permit.
                (None, false) => self.0.came.notified().await,
            }
        }
    }

    /// The next change that is there already.
    pub fn try_recv(&mut self) -> Option<Arc<Change>> {
        self.0.with(pop)
    }

    /// Takes no further changes; those that have come can still be read.
    pub fn close(&mut self) {
        self.0.with(|state| state.ended = true);
    }

    /// Whether no further ones come.
    pub fn is_closed(&self) -> bool {
        self.0.with(|state| state.ended)
    }

    /// Whether changes were lost: the reader was too slow, or the cache began anew.
    pub fn is_cut_off(&self) -> bool {
        self.0.with(|state| state.cut_off)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.0.with(|state| *state = State { ended: true, ..State::default() });
    }
}

fn pop(state: &mut State) -> Option<Arc<Change>> {
    let change = state.changes.pop_front()?;
    state.bytes -= change.entry.frame_bytes();
    if state.changes.is_empty() {
        state.changes = VecDeque::new(); // an idle watcher holds no room for a burst that is over
    }
    Some(change)
}

#[cfg(test)]
mod tests {
    use super::super::{ChangeKind, Entry, Header};
    use super::*;

    fn change(revision: u64, bytes: usize) -> Arc<Change> {
        let stored = format!(r#"{{"metadata":{{"name":"a"}},"data":"{}"}}"#, "x".repeat(bytes));
        let entry = Arc::new(Entry::detached("a", revision, stored.as_bytes(), Arc::new(Header::default())));
        Arc::new(Change { revision, kind: ChangeKind::Modified, entry, old: None })
    }

    #[tokio::test]
    async fn who_does_not_read_is_cut_off_and_pins_nothing() {
        let (feeder, mut changes) = queue();
        let first = change(1, 10);
        assert!(feeder.offer(&first));
        for revision in 2..=MAX_QUEUED_CHANGES as u64 {
            assert!(feeder.offer(&change(revision, 10)));
        }
        assert!(Arc::strong_count(&first) > 1);
        assert!(!feeder.offer(&change(9999, 10)));
        assert_eq!(Arc::strong_count(&first), 1);
        assert!(!feeder.is_open() && changes.is_cut_off());
        assert!(changes.recv().await.is_none());
    }

    #[tokio::test]
    async fn bytes_count_but_one_change_always_fits() {
        let (feeder, mut changes) = queue();
        assert!(feeder.offer(&change(1, MAX_QUEUED_BYTES + 1)));
        assert_eq!(changes.recv().await.unwrap().revision, 1);
        assert!(feeder.offer(&change(2, MAX_QUEUED_BYTES / 2)));
        assert!(!feeder.offer(&change(3, MAX_QUEUED_BYTES / 2)));
        assert!(changes.is_cut_off());
    }

    #[tokio::test]
    async fn what_has_come_is_read_after_the_end() {
        let (feeder, mut changes) = queue();
        assert!(feeder.offer(&change(1, 1)));
        changes.close();
        assert!(!feeder.offer(&change(2, 1)));
        assert_eq!(changes.recv().await.unwrap().revision, 1);
        assert!(changes.recv().await.is_none() && !changes.is_cut_off());
        let (feeder, mut changes) = queue();
        drop(feeder);
        assert!(changes.recv().await.is_none() && changes.is_cut_off());
        let (feeder, changes) = queue();
        drop(changes);
        assert!(!feeder.is_open());
    }
}
