//! Writing objects: one compare-and-swap in the store, answered once the watch cache has it.

use crate::cache::{Cache, Entry, Fed, Header, canonical, canonical_with};
use clock::SharedClock;
use registry::Resource;
use serde_json::Value;
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::{CommitError, Committed, Expect, Mutation, Note, ReadError, Revision, Store, Write};

/// How long an event is kept after it was last written: upstream's default of `--event-ttl`.
const EVENT_TTL_SECONDS: NonZeroU64 = NonZeroU64::new(3600).unwrap();
/// How long a request waits for the watch cache to show what the store says is there: upstream's `--request-timeout`.
/// With an embedded store it is there at once; with etcd a watch may have broken.
const MAX_CATCH_UP: Duration = Duration::from_secs(60);

/// The store and the cache that follows it.
#[derive(Clone, Debug)]
pub struct Storage {
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    clock: SharedClock,
    event_ttl_seconds: NonZeroU64,
}

impl Storage {
    /// Both together.
    pub fn new(
        store: Arc<dyn Store>,
        cache: Arc<Cache>,
        clock: SharedClock,
        event_ttl_seconds: Option<NonZeroU64>,
    ) -> Self {
        Self { store, cache, clock, event_ttl_seconds: event_ttl_seconds.unwrap_or(EVENT_TTL_SECONDS) }
    }

    /// Whether other servers may write to the same store.
    pub fn is_shared(&self) -> bool {
        self.store.latest().is_some()
    }

    /// Waits until the cache has everything that anyone had an answer to when this was called: another API server may
    /// write to the same store. Costs nothing when this one is alone with it.
    ///
    /// # Errors
    /// The store does not answer, or the cache does not get there in time.
    pub async fn catch_up(&self) -> Result<(), ReadError> {
        let Some(latest) = self.store.latest() else { return Ok(()) };
        let revision = latest.await?.0;
        if self.reached(revision).await { Ok(()) } else { Err(ReadError::Timeout) }
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn health(&self) -> Result<(), ReadError> {
        self.store.health().await
    }

    async fn reached(&self, revision: u64) -> bool {
        if self.cache.revision() >= revision {
            return true;
        }
        clock::timeout(&*self.clock, MAX_CATCH_UP, self.cache.reached(revision)).await.is_some()
    }

    /// Writes an object in its stored form. The answer is the entry as it stands in the cache.
    pub fn put(
        &self,
        row: &Resource,
        key: &str,
        object: &Value,
        expect: Expect,
    ) -> impl Future<Output = Result<Arc<Entry>, CommitError>> + Send + use<> {
        self.put_as_sent(row, key, object, None, expect)
    }

    /// The same, with the text of the row's raw field (see `raw_text`).
    pub fn put_as_sent(
        &self,
        row: &Resource,
        key: &str,
        object: &Value,
        text: Option<&str>,
        expect: Expect,
    ) -> impl Future<Output = Result<Arc<Entry>, CommitError>> + Send + use<> {
        let (group, plural) = row.storage_prefix();
        let stored = canonical_with(object, row.strategy.raw_field().zip(text));
        // The header speaks of the stored form, whichever row the request came by: else a core listing would not find
        // by `involvedObject` what was written as an events.k8s.io event.
        let stored_as = match &row.storage {
            registry::Storage::Own => None,
            registry::Storage::Shared { group, version, plural, .. } => registry::find(group, version, plural),
        };
        let header = Arc::new(Header::of(object, Some(stored_as.unwrap_or(row))));
        let fed = Arc::new(Fed { header: header.clone(), entry: OnceLock::new() });
        let write = Write {
            key: crate::cache::store_key(group, plural, key),
            expect,
            mutation: Mutation::Put(stored.clone()),
            ttl_seconds: (plural == "events").then_some(self.event_ttl_seconds),
            note: Note(Some(fed.clone())),
        };
        let (storage, key) = (self.clone(), Arc::<str>::from(key));
        async move {
            let committed = storage.commit(write).await?;
            let entry = fed.entry.get().filter(|entry| entry.revision == committed.revision.0).cloned();
            // A backend may lose the note; then the entry is made here once more.
            Ok(entry.unwrap_or_else(|| Arc::new(Entry::detached(&key, committed.revision.0, &stored, header))))
        }
    }

    /// The same for an object that nobody needs any more: it is taken apart while the disk works.
    pub async fn put_last(
        &self,
        row: &Resource,
        key: &str,
        object: Value,
        text: Option<&str>,
        expect: Expect,
    ) -> Result<Arc<Entry>, CommitError> {
        let written = self.put_as_sent(row, key, &object, text, expect);
        futures::future::join(written, async move { drop(object) }).await.0 // polled in this order
    }

    /// Writes what has no row: the servers' own notes, which no resource shows.
    pub async fn put_key(
        &self,
        (group, plural): (&str, &str),
        key: &str,
        object: &Value,
        expect: Expect,
        ttl_seconds: Option<NonZeroU64>,
    ) -> Result<(), CommitError> {
        let write = Write {
            key: crate::cache::store_key(group, plural, key),
            expect,
            mutation: Mutation::Put(canonical(object)),
            ttl_seconds,
            note: Note::default(),
        };
        self.commit(write).await.map(drop)
    }

    /// One write; when this returns, the cache has it, or what it lost to.
    async fn commit(&self, write: Write) -> Result<Committed, CommitError> {
        let outcome = self.store.commit(write).await;
        let shown = match &outcome {
            Ok(committed) => self.reached(committed.revision.0).await,
            Err(CommitError::Conflict { latest, .. }) => self.reached(latest.0).await,
            Err(_) => true,
        };
        if shown { outcome } else { Err(CommitError::Timeout) }
    }

    /// Takes an object away that is at this revision. The answer is the revision of the deletion.
    pub async fn delete(&self, row: &Resource, key: &str, at: u64) -> Result<u64, CommitError> {
        let (group, plural) = row.storage_prefix();
        self.delete_key(group, plural, key, at).await
    }

    /// The same for what has no row (any more).
    pub async fn delete_key(&self, group: &str, plural: &str, key: &str, at: u64) -> Result<u64, CommitError> {
        let write = Write {
            key: crate::cache::store_key(group, plural, key),
            expect: Expect::At(Revision(at)),
            mutation: Mutation::Delete,
            ttl_seconds: None,
            note: Note::default(),
        };
        let committed = self.commit(write).await?;
        Ok(committed.revision.0)
    }
}
