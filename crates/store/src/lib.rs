//! Revisioned bytes: compare-and-swap, load, watch. Knows no Kubernetes objects.
//!
//! [`Store`] is what the API server needs of a database; it is written so that etcd can stand behind it as well as
//! [`Embedded`], a single file. Every write has a revision of its own, and revisions only grow. What not: reading
//! single keys; the API server's watch cache answers all reads.

mod embedded;
mod etcd;
mod history;
mod types;

pub use embedded::{Disk, DiskError, Embedded, OpenError};
pub use etcd::{ConnectError, Etcd, EtcdConfig, EtcdTls};
pub use types::{
    Batch, Cause, CommitError, Committed, Entry, Event, Expect, Feed, Loaded, Mutation, Note, ReadError, Revision,
    Watch, WatchError, Write,
};

use futures::future::BoxFuture;

/// A revisioned map of keys to bytes.
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// Carries out one write if its expectation holds. When the answer is `Ok`, the write is durable, and every watch
    /// has been handed its event or is about to be: wait for [`Batch::through`]. The write takes place even if the
    /// caller stops waiting.
    fn commit(&self, write: Write) -> BoxFuture<'static, Result<Committed, CommitError>>;

    /// Everything, in the order of the keys, and the revision at which it was so.
    fn load(&self) -> BoxFuture<'static, Result<Loaded, ReadError>>;

    /// All events with revisions greater than `after`, in order and without gaps.
    fn watch(&self, after: Revision) -> BoxFuture<'static, Result<Watch, WatchError>>;

    /// The same without a task that must be woken for each batch: `feed` takes them on the store's own thread, before the
    /// writes are answered, until it or the store has enough. Gives it back where the store has no such thread.
    ///
    /// # Errors
    /// As [`Store::watch`].
    fn feed(&self, after: Revision, feed: Feed) -> Result<Option<Feed>, WatchError> {
        let _ = after;
        Ok(Some(feed))
    }

    /// A revision that is not before any write that anyone had an answer to when this was called. `None`: all writes
    /// come through this process and are answered after the watches have them, so there is nothing to ask.
    fn latest(&self) -> Option<BoxFuture<'static, Result<Revision, ReadError>>>;

    /// Whether the database answers.
    fn health(&self) -> BoxFuture<'static, Result<(), ReadError>>;
}
