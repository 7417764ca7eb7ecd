//! From the store into the cache: the one task that writes it.

use super::{Cache, Entry, Header};
use crate::rows::Rows;
use std::sync::{Arc, OnceLock};
use store::{LoadError, Revision, Store, WatchError};

/// What a write in this process hands along with its bytes, and gets back: see [`store::Note`].
#[derive(Debug, Default)]
pub struct Fed {
    /// The header, so that it is not parsed again.
    pub header: Arc<Header>,
    /// The entry as it went into the cache.
    pub entry: OnceLock<Arc<Entry>>,
}

/// Why the cache could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The content could not be read.
    #[error("cannot load the store")]
    Load(#[from] LoadError),
    /// The changes could not be watched.
    #[error("cannot watch the store")]
    Watch(#[from] WatchError),
}

/// `/registry/<group or core>/<plural>/<namespace>/<name>` → group, plural and the rest.
fn split_key(key: &str) -> Option<(&str, &str, &str)> {
    let mut parts = key.strip_prefix("/registry/")?.splitn(3, '/');
    let (group, plural, rest) = (parts.next()?, parts.next()?, parts.next()?);
    Some((if group == "core" { "" } else { group }, plural, rest))
}

/// The store's key of an object.
pub(crate) fn store_key(group: &str, plural: &str, rest: &str) -> Arc<str> {
    let group = if group.is_empty() { "core" } else { group };
    format!("/registry/{group}/{plural}/{rest}").into()
}

/// Fills the cache, then returns the task that keeps it up to date until the store closes.
pub async fn follow(
    cache: Arc<Cache>,
    store: Arc<dyn Store>,
    rows: Arc<Rows>,
) -> Result<impl Future<Output = ()> + Send, FeedError> {
    let loaded = store.load().await?;
    // Every shelf must know from where on its history is whole, those of resources without objects too.
    cache.set_revision(loaded.revision.0);
    for entry in loaded.entries {
        let Some((group, plural, rest)) = split_key(&entry.key) else { continue };
        let row = rows.stored(group, plural);
        let value = serde_json::from_slice(&entry.value).unwrap_or_default();
        let header = Arc::new(Header::of(&value, row.as_deref()));
        let made = Entry::new(rest.into(), entry.revision.0, &entry.value, header, true);
        cache.shelf(group, plural).load(made, loaded.revision.0);
    }
    let mut watch = store.watch(loaded.revision).await?;
    Ok(async move {
        loop {
            while let Some(batch) = watch.next().await {
                batch.iter().for_each(|event| apply(&cache, &rows, event));
                if let Some(last) = batch.last() {
                    cache.set_revision(last.revision.0);
                }
            }
            // Cut off or closed: go on from where we are, if that is possible.
            match store.watch(Revision(cache.revision())).await {
                Ok(again) => watch = again,
                Err(WatchError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "the watch cache has lost track of the store");
                    return;
                }
            }
        }
    })
}

fn apply(cache: &Cache, rows: &Rows, event: &store::Event) {
    let Some((group, plural, rest)) = split_key(&event.key) else { return };
    let fed = event.note.0.as_ref().and_then(|note| note.downcast_ref::<Fed>());
    let make = event.value.as_ref().map(|stored| {
        |added: bool| {
            let header = fed.map_or_else(
                || {
                    let value = serde_json::from_slice(stored).unwrap_or_default();
                    Arc::new(Header::of(&value, rows.stored(group, plural).as_deref()))
                },
                |fed| fed.header.clone(),
            );
            Arc::new(Entry::new(rest.into(), event.revision.0, stored, header, added))
        }
    });
    let entry = cache.shelf(group, plural).apply(rest, event.revision.0, make);
    if let (Some(fed), Some(entry)) = (fed, entry) {
        let _ = fed.entry.set(entry); // set once, here
    }
}
