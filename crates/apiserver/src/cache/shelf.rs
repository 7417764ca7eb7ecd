//! One resource in the cache: its objects, its recent changes, its watchers.

use super::entry::Entry;
use super::packed::Templates;
use super::queue::Changes;
use super::watchers::Watchers;
use crate::reader::Generation;
use imbl::OrdMap;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Changes kept per resource. A watch or a page older than that gets 410 Expired.
const MAX_CHANGES: usize = 10_000;
/// The bytes of the states that those changes have replaced: what the history takes beside the objects that are there.
/// With 5,000 nodes or 10,000 pods it is this that counts, for three resources that change all the time (pods, nodes,
/// leases).
const MAX_REPLACED_BYTES: usize = 8 << 20;

/// The entries of this many of a resource's newest changes are whole: each watcher is about to send them.
const WHOLE_CHANGES: usize = 128;

type Map = OrdMap<Arc<str>, Arc<Entry>>;

/// What a change was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A new object.
    Added,
    /// A new state.
    Modified,
    /// The object is gone.
    Deleted,
}

/// One change.
#[derive(Debug)]
pub struct Change {
    /// Its revision.
    pub revision: u64,
    /// What it was.
    pub kind: ChangeKind,
    /// The new state; of a deletion the last one, with the revision of the deletion.
    pub entry: Arc<Entry>,
    /// The state before.
    pub old: Option<Arc<Entry>>,
}

/// Which changes a watcher wants to be handed at all.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// Only those in this namespace.
    pub namespace: Option<Box<str>>,
    /// Only those where this field has, or had, this value.
    pub field: Option<(Box<str>, Box<str>)>,
}

impl Change {
    /// What the history holds for its sake alone: the state before it. Its new state is the present one, or that before
    /// a later change, unless it is a deletion.
    fn replaced_bytes(&self) -> usize {
        let deleted = if self.kind == ChangeKind::Deleted { self.entry.frame_bytes() } else { 0 };
        self.old.as_ref().map_or(0, |old| old.frame_bytes()) + deleted
    }
}

impl Interest {
    pub(super) fn wants(&self, change: &Change) -> bool {
        let matches =
            |entry: &Entry| self.field.as_ref().is_none_or(|(field, value)| entry.header.field(field) == Some(value));
        self.namespace.as_ref().is_none_or(|namespace| **namespace == *change.entry.header.namespace())
            && (matches(&change.entry) || change.old.as_deref().is_some_and(matches))
    }
}

/// The history does not reach back to the revision that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revision {asked} is too old; the history begins at {oldest}")]
pub struct Expired {
    /// What was asked for.
    pub asked: u64,
    /// The oldest revision that can be had.
    pub oldest: u64,
}

/// An open watch: what was missed, then what comes.
#[derive(Debug)]
pub struct Subscription {
    /// Changes between the asked revision and now.
    pub missed: Vec<Arc<Change>>,
    /// Later changes. Ends when the watcher is too slow.
    pub changes: Changes,
}

impl Subscription {
    /// Waits for a change and takes all that have come, for who looks at everything anew; `false`: it has ended.
    pub async fn changed(&mut self) -> bool {
        let is_open = self.changes.recv().await.is_some();
        while self.changes.try_recv().is_some() {}
        is_open
    }
}

/// A resource at one revision.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The revision of the list.
    pub revision: u64,
    map: Map,
}

impl Snapshot {
    /// How many objects there are in all namespaces.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The objects in the order of their keys; those of a namespace; those whose key is not before `from`.
    pub fn range<'a>(&'a self, namespace: Option<&str>, from: Option<&str>) -> impl Iterator<Item = &'a Arc<Entry>> {
        let prefix = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let start = from.filter(|from| *from > prefix.as_str()).unwrap_or(&prefix).to_owned();
        let bounds = (Bound::Included(Arc::<str>::from(start)), Bound::Unbounded);
        self.map.range(bounds).take_while(move |(key, _)| key.starts_with(&prefix)).map(|(_, entry)| entry)
    }
}

#[derive(Debug)]
struct State {
    map: Map,
    changes: VecDeque<Arc<Change>>,
    replaced_bytes: usize,
    /// Changes up to and including this revision are gone.
    compacted: u64,
    /// The revision of the last change.
    last: u64,
    watchers: Watchers,
}

impl State {
    fn new(map: Map, revision: u64) -> Self {
        let (changes, watchers) = (VecDeque::new(), Watchers::default());
        Self { map, changes, replaced_bytes: 0, compacted: revision, last: revision, watchers }
    }
}

/// A resource.
#[derive(Debug)]
pub struct Shelf {
    /// API group of the stored form.
    pub group: Box<str>,
    /// Plural of the stored form.
    pub plural: Box<str>,
    generation: Generation,
    state: RwLock<State>,
    /// Of the one writer.
    templates: Mutex<Templates>,
}

impl Shelf {
    pub(super) fn new(group: &str, plural: &str, compacted: u64) -> Self {
        let state = RwLock::new(State::new(Map::new(), compacted));
        let (generation, templates) = (Generation::default(), Mutex::default());
        Self { group: group.into(), plural: plural.into(), generation, state, templates }
    }

    /// A number that changes with every change.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// One object.
    pub fn get(&self, key: &str) -> Option<Arc<Entry>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).map.get(key).cloned()
    }

    pub(super) fn snapshot(&self, applied: impl FnOnce() -> u64) -> Snapshot {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Snapshot { revision: applied().max(state.last), map: state.map.clone() }
    }

    /// The objects as they were at `revision` (not greater than the present one): today's with later changes undone.
    pub fn snapshot_at(&self, revision: u64) -> Result<Snapshot, Expired> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if revision < state.compacted {
            return Err(Expired { asked: revision, oldest: state.compacted });
        }
        let mut map = state.map.clone();
        for change in state.changes.iter().rev().take_while(|change| change.revision > revision) {
            match &change.old {
                Some(old) => drop(map.insert(old.key.clone(), old.clone())),
                None => drop(map.remove(&change.entry.key)),
            }
        }
        Ok(Snapshot { revision, map })
    }

    /// Begins a watch after `revision`.
    pub fn watch(&self, after: u64, interest: Interest) -> Result<Subscription, Expired> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if after < state.compacted {
            return Err(Expired { asked: after, oldest: state.compacted });
        }
        let start = state.changes.partition_point(|change| change.revision <= after);
        let missed = state.changes.range(start..).filter(|change| interest.wants(change)).cloned().collect();
        let changes = state.watchers.add(interest);
        Ok(Subscription { missed, changes })
    }

    /// Begins a watch with what there is now, read at the same moment.
    pub fn list_and_watch(&self, applied: impl FnOnce() -> u64, interest: Interest) -> (Snapshot, Subscription) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let snapshot = Snapshot { revision: applied().max(state.last), map: state.map.clone() };
        let changes = state.watchers.add(interest);
        (snapshot, Subscription { missed: Vec::new(), changes })
    }

    /// Whether its history begins before this revision.
    pub(super) fn is_before(&self, revision: u64) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).compacted < revision
    }

    /// Takes these objects in the place of what is there. History begins at `revision`, and watches are cut off.
    pub(super) fn replace(&self, entries: Vec<Arc<Entry>>, revision: u64) {
        self.pack(&entries);
        let map = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = State::new(map, revision);
        self.generation.advance();
    }

    /// Takes one committed change in. `make` builds the entry from that before it; `None` for a deletion.
    pub(super) fn apply(
        &self,
        key: &str,
        revision: u64,
        make: Option<impl FnOnce(Option<&Entry>) -> Arc<Entry>>,
    ) -> Option<Arc<Entry>> {
        let old = self.get(key); // this task is the only writer, so nothing comes between
        let change = match (make, &old) {
            (Some(make), None) => Change { revision, kind: ChangeKind::Added, entry: make(None), old: None },
            (Some(make), Some(last)) => {
                Change { revision, kind: ChangeKind::Modified, entry: make(Some(last)), old: old.clone() }
            }
            (None, Some(last)) => {
                let entry = Arc::new(last.at_revision(revision));
                Change { revision, kind: ChangeKind::Deleted, entry, old: old.clone() }
            }
            (None, None) => return None,
        };
        let change = Arc::new(change);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match change.kind {
            ChangeKind::Deleted => drop(state.map.remove(key)),
            _ => drop(state.map.insert(change.entry.key.clone(), change.entry.clone())),
        }
        state.last = revision;
        state.replaced_bytes += change.replaced_bytes();
        state.changes.push_back(change.clone());
        let mut settled = Vec::new();
        if let Some(at) = state.changes.len().checked_sub(WHOLE_CHANGES + 1) {
            settled.push(state.changes[at].entry.clone());
        }
        while state.changes.len() > MAX_CHANGES || state.replaced_bytes > MAX_REPLACED_BYTES {
            let Some(gone) = state.changes.pop_front() else { break };
            state.replaced_bytes -= gone.replaced_bytes();
            state.compacted = gone.revision;
            settled.push(gone.entry.clone());
        }
        state.watchers.publish(&change);
        drop(state);
        self.generation.advance();
        self.pack(&settled);
        Some(change.entry.clone())
    }

    fn pack(&self, entries: &[Arc<Entry>]) {
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().for_each(|entry| entry.pack(&mut templates));
    }
}

#[cfg(test)]
mod tests;
