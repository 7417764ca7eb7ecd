//! Writing objects: one compare-and-swap in the store, answered once the watch cache has it.

use crate::cache::{Cache, Entry, Fed, Header, canonical};
use registry::Resource;
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use store::{CommitError, Committed, Expect, Mutation, Note, Revision, Store, Write};

/// The store and the cache that follows it.
#[derive(Clone, Debug)]
pub struct Storage {
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
}

impl Storage {
    /// Both together.
    pub fn new(store: Arc<dyn Store>, cache: Arc<Cache>) -> Self {
        Self { store, cache }
    }

    /// Writes an object in its stored form. The answer is the entry as it stands in the cache.
    pub async fn put(
        &self,
        row: &Resource,
        key: &str,
        object: &Value,
        expect: Expect,
    ) -> Result<Arc<Entry>, CommitError> {
        let (group, plural) = row.storage_prefix();
        let stored = canonical(object);
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
            note: Note(Some(fed.clone())),
        };
        let committed = self.commit(write).await?;
        let entry = fed.entry.get().cloned();
        // A backend may lose the note; then the entry is made here once more.
        Ok(entry.unwrap_or_else(|| Arc::new(Entry::detached(key, committed.revision.0, &stored, header))))
    }

    /// One write; when this returns, the cache has it, or what it lost to.
    async fn commit(&self, write: Write) -> Result<Committed, CommitError> {
        let outcome = self.store.commit(write).await;
        match &outcome {
            Ok(committed) => self.cache.reached(committed.revision.0).await,
            Err(CommitError::Conflict { latest, .. }) => self.cache.reached(latest.0).await,
            Err(_) => {}
        }
        outcome
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
            note: Note::default(),
        };
        let committed = self.commit(write).await?;
        Ok(committed.revision.0)
    }
}
