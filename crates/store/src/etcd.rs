//! The etcd v3 backend: for when one machine is no longer enough.
//!
//! One write is one transaction, as upstream's API server does it: compare `ModRevision`, put or delete; so every write
//! has a revision of its own, and writers share one connection without waiting for each other. Watches look at the whole
//! key space, so that every revision that etcd ever names comes by, and "wait until the cache is there" always ends.
//! What not: members, backups and the rest of etcd's care, which is its operators'.

mod ask;
mod client;
mod commit;
mod compact;
mod connect;
mod lease;
mod load;
mod notes;
mod place;
mod watch;
mod wire;

pub use connect::{ConnectError, EtcdConfig, EtcdTls};

use crate::{CommitError, Committed, Loaded, ReadError, Revision, Store, Watch, WatchError, Write};
use clock::SharedClock;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Transactions on their way to etcd at once; more wait here. etcd itself takes in a few hundred proposals per round of
/// its log, so more would only lie in its queue.
const MAX_IN_FLIGHT: usize = 512;

type Latest = Shared<BoxFuture<'static, Result<Revision, ReadError>>>;

/// A store in etcd. Clones share it; when the last one is dropped, or after [`Etcd::close`], its tasks end.
#[derive(Clone)]
pub struct Etcd {
    link: Arc<Link>,
    _ends: Arc<DropGuard>,
}

/// What all tasks of one [`Etcd`] share.
struct Link {
    client: client::Client,
    place: place::Place,
    clock: SharedClock,
    request_timeout: Duration,
    closed: CancellationToken,
    in_flight: Semaphore,
    notes: Mutex<notes::Notes>,
    lease: tokio::sync::Mutex<Option<lease::Lease>>,
    /// The question for the latest revision that has not been sent yet: whoever comes now joins it.
    asking: Mutex<Option<Latest>>,
    /// Held by the one question that is on its way.
    asked: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Etcd({})", self.link.place.root())
    }
}

impl Etcd {
    /// Connects, checks that an etcd of a version that will do is there and lets us in, and starts compacting.
    ///
    /// # Errors
    /// [`ConnectError`], after some seconds of trying.
    pub async fn connect(config: EtcdConfig, clock: SharedClock) -> Result<Self, ConnectError> {
        let client = connect::connect(&config, &*clock).await?;
        let closed = CancellationToken::new();
        let link = Arc::new(Link {
            client,
            place: place::Place::new(config.prefix, config.root),
            clock,
            request_timeout: config.request_timeout,
            closed: closed.clone(),
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
            notes: Mutex::default(),
            lease: tokio::sync::Mutex::default(),
            asking: Mutex::default(),
            asked: tokio::sync::Mutex::default(),
        });
        if let Some(interval) = config.compaction_interval {
            tokio::spawn(compact::run(link.clone(), interval));
        }
        Ok(Self { link, _ends: Arc::new(closed.drop_guard()) })
    }

    /// Waits for the writes that are on their way, then ends watches and compaction. Later calls answer `Closed`.
    pub async fn close(&self) {
        let all = u32::try_from(MAX_IN_FLIGHT).unwrap_or(u32::MAX);
        let _ = self.link.in_flight.acquire_many(all).await; // an error means that it is closed already
        self.link.in_flight.close();
        self.link.closed.cancel();
    }
}

impl Link {
    /// The latest revision, asked after this call began; callers at the same time share one question.
    fn latest(self: &Arc<Self>) -> Latest {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let question = asking.get_or_insert_with(|| {
            let link = self.clone();
            let question: BoxFuture<'static, _> = Box::pin(async move {
                let _turn = link.asked.lock().await;
                // From here on it is under way: later callers need another one.
                *link.asking.lock().unwrap_or_else(PoisonError::into_inner) = None;
                link.ask_latest().await
            });
            question.shared()
        });
        question.clone()
    }
}

impl Store for Etcd {
    fn commit(&self, write: Write) -> BoxFuture<'static, Result<Committed, CommitError>> {
        let link = self.link.clone();
        // A task of its own: the write takes place also if the caller goes away.
        let task = tokio::spawn(async move { link.commit(write).await });
        Box::pin(async move { task.await.map_err(|_| CommitError::Closed)? })
    }

    fn load(&self) -> BoxFuture<'static, Result<Loaded, ReadError>> {
        let link = self.link.clone();
        Box::pin(async move { link.load().await })
    }

    fn watch(&self, after: Revision) -> BoxFuture<'static, Result<Watch, WatchError>> {
        let link = self.link.clone();
        Box::pin(async move { watch::begin(link, after).await })
    }

    fn latest(&self) -> Option<BoxFuture<'static, Result<Revision, ReadError>>> {
        Some(Box::pin(self.link.latest()))
    }

    fn health(&self) -> BoxFuture<'static, Result<(), ReadError>> {
        let latest = self.link.latest();
        let clock = self.link.clock.clone();
        Box::pin(async move {
            let answer = clock::timeout(&*clock, connect::HEALTH_TIMEOUT, latest).await;
            answer.unwrap_or(Err(ReadError::Timeout)).map(drop)
        })
    }
}
