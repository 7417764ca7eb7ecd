//! The nouns of the store.

use bytes::Bytes;
use std::any::Any;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The number of a write; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What must hold for a write to take place: etcd's compare of `ModRevision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The key has no value.
    Absent,
    /// The key was last written at this revision.
    At(Revision),
    /// Nothing. (A [`Mutation::Delete`] of an absent key is a conflict all the same.)
    Any,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Sets the value.
    Put(Bytes),
    /// Takes the key away.
    Delete,
}

/// Something that the writer hands to watchers in the same process along with the bytes, such as their parsed form. A
/// backend may lose it; it is never stored.
#[derive(Clone, Default)]
pub struct Note(pub Option<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Note(…)" } else { "Note" })
    }
}

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    /// The key; any text but the empty one.
    pub key: Arc<str>,
    /// The condition.
    pub expect: Expect,
    /// The change.
    pub mutation: Mutation,
    /// After so many seconds a value that has not been written again is deleted, with a revision and an event as any
    /// deletion has; up to a minute (or, if that is less, a twentieth of the time) late. `None`: it stays.
    pub ttl_seconds: Option<NonZeroU64>,
    /// Handed on to watchers.
    pub note: Note,
}

/// The answer to a write that took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The write's own revision.
    pub revision: Revision,
}

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Arc<str>,
    /// The revision of its last write.
    pub revision: Revision,
    /// The bytes.
    pub value: Bytes,
}

/// The whole content at one revision.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The last revision that was given.
    pub revision: Revision,
    /// In the order of the keys.
    pub entries: Vec<Entry>,
}

/// One committed write, as watchers see it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The write's revision.
    pub revision: Revision,
    /// Its key.
    pub key: Arc<str>,
    /// The new value; `None`: the key is gone.
    pub value: Option<Bytes>,
    /// What the writer said.
    pub note: Note,
}

/// What a watch hands over at once.
#[derive(Clone, Debug)]
pub struct Batch {
    /// In order. Those of one revision are never split (a deletion by time may take several keys at one revision).
    pub events: Arc<[Event]>,
    /// All events with revisions up to this have been handed over.
    pub through: Revision,
}

/// Takes batches on the store's own thread, before the writes in them are answered: see [`crate::Store::feed`].
pub struct Feed(Box<dyn FnMut(&Batch) -> bool + Send>);

impl Feed {
    /// A function that may not wait, and says whether it wants more.
    pub fn new(take: impl FnMut(&Batch) -> bool + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    pub(crate) fn take(&mut self, batch: &Batch) -> bool {
        (self.0)(batch)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed(…)")
    }
}

/// An open watch. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    pub(crate) replay: Option<Batch>,
    pub(crate) batches: mpsc::Receiver<Batch>,
}

impl Watch {
    /// Makes a watch from what was missed and what will come: for backends.
    pub fn new(replay: Option<Batch>, batches: mpsc::Receiver<Batch>) -> Self {
        Self { replay, batches }
    }

    /// The next events; `None` when the store has closed or this watch was too slow: then watch again from the last
    /// revision seen. Cancel-safe.
    pub async fn next(&mut self) -> Option<Batch> {
        match self.replay.take() {
            Some(batch) => Some(batch),
            None => self.batches.recv().await,
        }
    }
}

/// An error of the database, shared by all who waited for the same.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a write did not take place, or may not have.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The expectation did not hold.
    #[error("the key is at revision {actual:?}")]
    Conflict {
        /// The revision of the key's last write; `None`: absent.
        actual: Option<Revision>,
        /// The store's last revision when this was found: who has seen everything up to it will find the same.
        latest: Revision,
    },
    /// The database said no, in these words: too large a value, no space, no leader. Nothing was written, unless the
    /// words say that time ran out.
    #[error("{message}")]
    Refused {
        /// The database's own words, fit for clients.
        message: String,
    },
    /// The database could not write: a full disk, an I/O error, a broken connection. Whether the write will be found
    /// later is not known; if so, watches show it.
    #[error("the database cannot write")]
    Io(#[source] Cause),
    /// No answer in time. Whether the write takes place is not known.
    #[error("the database did not answer in time")]
    Timeout,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// Why the database could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The database could not be read.
    #[error("the database cannot be read")]
    Io(#[source] Cause),
    /// No answer in time.
    #[error("the database did not answer in time")]
    Timeout,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a watch could not begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WatchError {
    /// The history no longer reaches back that far: load, then watch from there.
    #[error("revisions up to {oldest} are compacted")]
    Compacted {
        /// The oldest revision from which a watch can begin.
        oldest: Revision,
    },
    /// The revision has not been given yet.
    #[error("revision is in the future; the last one is {latest}")]
    Future {
        /// The last revision that was given.
        latest: Revision,
    },
    /// The database could not be asked, or the store has been closed.
    #[error(transparent)]
    Read(#[from] ReadError),
}
