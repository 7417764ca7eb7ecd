//! From the store into the cache: the one task, or thread of the store's, that writes it.

use super::{Cache, Entry, Header};
use crate::rows::Rows;
use clock::SharedClock;
use foldhash::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::{Batch, Feed, Loaded, ReadError, Revision, Store, Watch, WatchError};

/// Between tries to watch a store that does not answer. The store waits and tries for a while itself.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

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
    Load(#[from] ReadError),
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

/// Fills the cache, then returns the task that keeps it up to date until the store closes. Where the store does that on
/// its own thread, the task has nothing to do.
pub async fn follow(
    cache: Arc<Cache>,
    store: Arc<dyn Store>,
    rows: Arc<Rows>,
    clock: SharedClock,
) -> Result<impl Future<Output = ()> + Send, FeedError> {
    fill(&cache, &rows, store.load().await?);
    let after = Revision(cache.revision());
    let (weak, fed_rows) = (Arc::downgrade(&cache), rows.clone());
    // Weak: a store may outlive the server that it feeds.
    let feed = Feed::new(move |batch| weak.upgrade().is_some_and(|cache| take(&cache, &fed_rows, batch)));
    let watch = match store.feed(after, feed)? {
        None => None,
        Some(_) => Some(store.watch(after).await?),
    };
    Ok(async move {
        let Some(mut watch) = watch else { return };
        loop {
            while let Some(batch) = watch.next().await {
                take(&cache, &rows, &batch);
            }
            match again(&cache, &*store, &rows, &clock).await {
                Some(next) => watch = next,
                None => return,
            }
        }
    })
}

/// Takes a batch in. True: more may come.
fn take(cache: &Cache, rows: &Rows, batch: &Batch) -> bool {
    batch.events.iter().for_each(|event| apply(cache, rows, event));
    cache.set_revision(batch.through.0);
    true
}

/// After a watch has ended: another one from where we are, or, if history no longer reaches back there, from a new
/// beginning. `None`: the store is closed.
async fn again(cache: &Cache, store: &dyn Store, rows: &Rows, clock: &SharedClock) -> Option<Watch> {
    loop {
        match store.watch(Revision(cache.revision())).await {
            Ok(watch) => return Some(watch),
            Err(WatchError::Read(ReadError::Closed)) => return None,
            Err(WatchError::Compacted { oldest }) => {
                tracing::warn!(%oldest, at = cache.revision(), "the watch cache was left behind; it is filled anew");
                match store.load().await {
                    Ok(loaded) => {
                        fill(cache, rows, loaded);
                        continue;
                    }
                    Err(ReadError::Closed) => return None,
                    Err(error) => tracing::error!(%error, "the store cannot be loaded"),
                }
            }
            Err(error) => tracing::error!(%error, "the store cannot be watched"),
        }
        clock.sleep(RETRY_PAUSE).await;
    }
}

/// Puts the whole content in the place of what is there. Histories begin anew, and watches end: their clients come back,
/// and learn by 410 that they have to list.
fn fill(cache: &Cache, rows: &Rows, loaded: Loaded) {
    let revision = loaded.revision.0;
    let mut by_shelf: HashMap<(String, String), Vec<Arc<Entry>>> = HashMap::default();
    for entry in loaded.entries {
        let Some((group, plural, rest)) = split_key(&entry.key) else { continue };
        let known = cache.shelf(group, plural).get(rest).filter(|known| known.revision == entry.revision.0);
        let made = known.unwrap_or_else(|| {
            let value = serde_json::from_slice(&entry.value).unwrap_or_default();
            let header = Arc::new(Header::of(&value, rows.stored(group, plural).as_deref()));
            Arc::new(Entry::added(rest.into(), entry.revision.0, &entry.value, header))
        });
        by_shelf.entry((group.to_owned(), plural.to_owned())).or_default().push(made);
    }
    cache.replace(by_shelf, revision);
}

fn apply(cache: &Cache, rows: &Rows, event: &store::Event) {
    let Some((group, plural, rest)) = split_key(&event.key) else { return };
    let fed = event.note.0.as_ref().and_then(|note| note.downcast_ref::<Fed>());
    let make = event.value.as_ref().map(|stored| {
        |last: Option<&Entry>| {
            let header = fed.map_or_else(
                || {
                    let value = serde_json::from_slice(stored).unwrap_or_default();
                    Arc::new(Header::of(&value, rows.stored(group, plural).as_deref()))
                },
                |fed| fed.header.clone(),
            );
            Arc::new(match last {
                None => Entry::added(rest.into(), event.revision.0, stored, header),
                Some(last) => last.modified(event.revision.0, stored, header),
            })
        }
    });
    let entry = cache.shelf(group, plural).apply(rest, event.revision.0, make);
    if let (Some(fed), Some(entry)) = (fed, entry) {
        let _ = fed.entry.set(entry); // set once, here
    }
}
