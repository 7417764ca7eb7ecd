//! The embedded backend: one redb file with two logs in front of it, and one writer thread.
//!
//! Group commit: the writer takes every write that waits, checks expectations against an index in memory, appends one
//! record to a log with one fdatasync, then publishes and answers in order. A record has a checksum, so it is there whole
//! or not at all. Full logs are merged into the database on another thread: a transaction of its own for each group wrote
//! a dozen of pages, and took 0.4 ms of CPU where a record takes a tenth of it.

mod disk;
mod expiry;
mod file;
mod journal;
mod log;
mod patience;
mod pending;
mod record;
mod writer;

pub use disk::{Disk, DiskError};

use crate::history::History;
use crate::{CommitError, Committed, Feed, Loaded, Mutation, ReadError, Revision, Store, Watch, WatchError, Write};
use clock::SharedClock;
use futures::future::BoxFuture;
use journal::Journal;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Writes that may wait for the writer; more callers wait for a place in the queue.
const MAX_WAITING_WRITES: usize = 4096;

/// Why the files could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no database, is damaged, or another process holds it.
    #[error("cannot open the database {path}")]
    Database {
        /// The file.
        path: String,
        /// redb's reason.
        #[source]
        source: Box<DiskError>,
    },
    /// The writer thread could not be started.
    #[error("cannot start the writer thread")]
    Thread(#[source] std::io::Error),
}

/// What the writer takes from its queue.
pub(crate) enum Job {
    Commit(Write, oneshot::Sender<Result<Committed, CommitError>>),
    Load(oneshot::Sender<Result<Loaded, ReadError>>),
    Close,
}

/// A store in one file and its logs. Clones share it; when the last one is dropped, or after [`Embedded::close`], the file is closed.
#[derive(Clone, Debug)]
pub struct Embedded {
    jobs: mpsc::Sender<Job>,
    history: Arc<Mutex<History>>,
    done: tokio::sync::watch::Receiver<bool>,
}

impl Embedded {
    /// Opens the file, makes it when it is missing, repairs it after a crash. Blocks for as long as that takes. The
    /// clock says when values with a time to live are due.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, clock: SharedClock) -> Result<Self, OpenError> {
        Self::open_on(Box::new(disk::OneFile(path.to_owned())), clock)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(disk: Box<dyn Disk>, clock: SharedClock) -> Result<Self, OpenError> {
        let error = |source| OpenError::Database { path: disk.name(), source: Box::new(source) };
        let journal = Journal::open(&*disk, 0).map_err(error)?;
        let known = journal.known().map_err(error)?;
        let history = Arc::new(Mutex::new(History::new(known.latest)));
        let (jobs, queue) = mpsc::channel(MAX_WAITING_WRITES);
        let (finished, done) = tokio::sync::watch::channel(false);
        // Of its own, for its timers: the thread waits for writes and for deadlines.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(OpenError::Thread)?;
        let writer = writer::Writer::new(disk, journal, known, history.clone(), clock);
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                runtime.block_on(writer.run(queue));
                let _ = finished.send(true); // nobody may be waiting
            })
            .map_err(OpenError::Thread)?;
        Ok(Self { jobs, history, done })
    }

    /// Carries out what waits, then closes the file. Later calls answer `Closed`.
    pub async fn close(&self) {
        let _ = self.jobs.send(Job::Close).await; // an error means that it is closed already
        let mut done = self.done.clone();
        let _ = done.wait_for(|done| *done).await; // an error means that the writer is gone: closed too
    }
}

/// How large a value may be, in bytes: etcd's default for a request, so that what is kept here can move there.
const VALUE_BYTES_MAX: usize = 1_572_864;

impl Store for Embedded {
    fn commit(&self, write: Write) -> BoxFuture<'static, Result<Committed, CommitError>> {
        let jobs = self.jobs.clone();
        Box::pin(async move {
            if matches!(&write.mutation, Mutation::Put(value) if value.len() > VALUE_BYTES_MAX) {
                return Err(CommitError::Refused { message: "etcdserver: request is too large".to_owned() });
            }
            let (answer, answered) = oneshot::channel();
            jobs.send(Job::Commit(write, answer)).await.map_err(|_| CommitError::Closed)?;
            answered.await.map_err(|_| CommitError::Closed)?
        })
    }

    fn load(&self) -> BoxFuture<'static, Result<Loaded, ReadError>> {
        let jobs = self.jobs.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            jobs.send(Job::Load(answer)).await.map_err(|_| ReadError::Closed)?;
            answered.await.map_err(|_| ReadError::Closed)?
        })
    }

    fn watch(&self, after: Revision) -> BoxFuture<'static, Result<Watch, WatchError>> {
        let answer = if *self.done.borrow() {
            Err(WatchError::Read(ReadError::Closed))
        } else {
            self.history.lock().unwrap_or_else(PoisonError::into_inner).watch(after)
        };
        Box::pin(futures::future::ready(answer))
    }

    fn feed(&self, after: Revision, feed: Feed) -> Result<Option<Feed>, WatchError> {
        if *self.done.borrow() {
            return Err(WatchError::Read(ReadError::Closed));
        }
        self.history.lock().unwrap_or_else(PoisonError::into_inner).feed(after, feed).map(|()| None)
    }

    fn latest(&self) -> Option<BoxFuture<'static, Result<Revision, ReadError>>> {
        None
    }

    fn health(&self) -> BoxFuture<'static, Result<(), ReadError>> {
        let answer = if *self.done.borrow() { Err(ReadError::Closed) } else { Ok(()) };
        Box::pin(futures::future::ready(answer))
    }
}
