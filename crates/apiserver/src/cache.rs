//! The watch cache: every object as the bytes that clients get, its recent changes, and who watches them.
//!
//! Bytes that are not new are held by what is their own (`packed`).
//! One task follows the store and is the only writer. Readers clone a persistent map, so a list is an immutable
//! snapshot that costs nothing and holds nobody up. What not: rules of resources; entries are bytes and a small header.

pub(crate) mod encode;
mod entry;
mod feed;
mod forms;
mod header;
mod packed;
mod queue;
mod shelf;
mod watchers;

pub use encode::{canonical, canonical_with, splice_revision};
pub use entry::Entry;
pub(crate) use entry::key;
pub(crate) use feed::store_key;
pub use feed::{Fed, FeedError, follow};
pub use header::Header;
pub use queue::Changes;
#[cfg(test)]
pub(crate) use queue::{MAX_QUEUED_CHANGES, queue};
pub use shelf::{Change, ChangeKind, Expired, Interest, Shelf, Snapshot, Subscription};

use crate::reader::{Generation, ObjectReader};
use foldhash::HashMap;
use serde_json::Value;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// By group and plural of the stored form.
type Shelves = HashMap<Box<str>, HashMap<Box<str>, Arc<Shelf>>>;

/// All resources. Shared as `Arc`.
#[derive(Debug)]
pub struct Cache {
    shelves: RwLock<Shelves>,
    /// The revision up to which all shelves are complete.
    applied: watch::Sender<u64>,
}

impl Default for Cache {
    fn default() -> Self {
        Self { shelves: RwLock::default(), applied: watch::channel(0).0 }
    }
}

impl Cache {
    /// The shelf of a resource; made when it is asked for the first time.
    pub fn shelf(&self, group: &str, plural: &str) -> Arc<Shelf> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves.get(group).and_then(|of_group| of_group.get(plural)) {
            return shelf.clone();
        }
        drop(shelves);
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Shelf::new(group, plural, *self.applied.borrow()));
        shelves.entry(group.into()).or_default().entry(plural.into()).or_insert_with(made).clone()
    }

    /// The revision up to which everything is here.
    pub fn revision(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Waits until [`Cache::revision`] has reached `revision`.
    pub async fn reached(&self, revision: u64) {
        if self.revision() >= revision {
            return;
        }
        let mut applied = self.applied.subscribe();
        let _ = applied.wait_for(|at| *at >= revision).await; // the sender lives as long as `self`
    }

    /// A snapshot of a resource and the revision that it shows.
    pub fn snapshot(&self, shelf: &Shelf) -> Snapshot {
        shelf.snapshot(|| self.revision())
    }

    /// Takes this content in the place of all there is.
    pub(crate) fn replace(&self, mut content: HashMap<(String, String), Vec<Arc<Entry>>>, revision: u64) {
        for ((group, plural), entries) in content.drain() {
            self.shelf(&group, &plural).replace(entries, revision);
        }
        self.set_revision(revision);
        // Every shelf must know from where on its history is whole: those of resources without objects too, and those
        // that were made meanwhile.
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let shelves: Vec<Arc<Shelf>> = shelves.values().flat_map(HashMap::values).cloned().collect();
        for shelf in shelves.into_iter().filter(|shelf| shelf.is_before(revision)) {
            shelf.replace(Vec::new(), revision);
        }
    }

    /// How many objects there are of each resource.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let mut counts = Vec::new();
        for (group, of_group) in shelves.iter() {
            for (plural, shelf) in of_group {
                let name = if group.is_empty() { plural.to_string() } else { format!("{plural}.{group}") };
                counts.push((name, self.snapshot(shelf).len()));
            }
        }
        counts.sort_unstable();
        counts
    }

    pub(crate) fn set_revision(&self, revision: u64) {
        self.applied.send_if_modified(|at| {
            let grown = revision > *at;
            *at = revision.max(*at);
            grown
        });
    }
}

impl ObjectReader for Cache {
    fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.shelf(group, plural).get(&entry::key(namespace, name)).map(|entry| value_of(group, plural, &entry))
    }

    fn label(&self, group: &str, plural: &str, namespace: &str, name: &str, label: &str) -> Option<String> {
        self.shelf(group, plural).get(&entry::key(namespace, name))?.header.label(label).map(str::to_owned)
    }

    fn list(&self, group: &str, plural: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let snapshot = self.snapshot(&self.shelf(group, plural));
        snapshot.range(namespace, None).map(|entry| value_of(group, plural, entry)).collect()
    }

    fn list_where(
        &self,
        group: &str,
        plural: &str,
        namespace: Option<&str>,
        field: &str,
        value: &str,
    ) -> Vec<Arc<Value>> {
        let snapshot = self.snapshot(&self.shelf(group, plural));
        let found = snapshot.range(namespace, None).filter(|entry| entry.header.field(field) == Some(value));
        found.map(|entry| value_of(group, plural, entry)).collect()
    }

    fn generation(&self, group: &str, plural: &str) -> Generation {
        self.shelf(group, plural).generation().clone()
    }
}

/// Resources that the server itself reads over and over and of which there are few: their parsed form is kept. Keeping
/// that of pods would multiply the memory of a large cluster.
const KEPT_PARSED: [&str; 8] = [
    "clusterrolebindings",
    "clusterroles",
    "namespaces",
    "priorityclasses",
    "rolebindings",
    "roles",
    "serviceaccounts",
    "services",
];

fn value_of(group: &str, plural: &str, entry: &Entry) -> Arc<Value> {
    let few = matches!(group, "" | "rbac.authorization.k8s.io" | "scheduling.k8s.io") && KEPT_PARSED.contains(&plural);
    if few { entry.shared_value() } else { Arc::new(entry.value()) }
}

#[cfg(test)]
mod tests;
