//! One resource in the cache: its objects, its recent changes, its watchers.

use super::entry::Entry;
use imbl::OrdMap;
use std::collections::{HashMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc;

/// Changes kept per resource. A watch or a page older than that gets 410 Expired.
const MAX_CHANGES: usize = 10_000;
/// The bytes that those changes may hold together (objects that are still current count too, though they cost nothing).
/// With 5,000 nodes or 10,000 pods it is this that counts; each change also holds the state before it.
const MAX_CHANGE_BYTES: usize = 16 << 20;
/// Changes that may wait for one watcher before it is cut off; it comes back from where it was.
const MAX_QUEUED_CHANGES: usize = 4096;

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

impl Interest {
    fn wants(&self, change: &Change) -> bool {
        let matches =
            |entry: &Entry| self.field.as_ref().is_none_or(|(field, value)| entry.header.field(field) == Some(value));
        self.namespace.as_ref().is_none_or(|namespace| *namespace == change.entry.header.namespace)
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
    /// Later changes. Ends when the watcher was too slow.
    pub changes: mpsc::Receiver<Arc<Change>>,
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
    change_bytes: usize,
    /// Changes up to and including this revision are gone.
    compacted: u64,
    /// The revision of the last change.
    last: u64,
    watchers: Watchers,
}

impl State {
    fn new(map: Map, revision: u64) -> Self {
        let (changes, watchers) = (VecDeque::new(), Watchers::default());
        Self { map, changes, change_bytes: 0, compacted: revision, last: revision, watchers }
    }
}

type Sender = mpsc::Sender<Arc<Change>>;

/// The open watches, those for one value of a field apart: 5,000 kubelets watch the pods of their nodes, and a change
/// of a pod must not look at each of them.
#[derive(Debug, Default)]
struct Watchers {
    broad: Vec<(Interest, Sender)>,
    /// By field, then by value.
    narrow: HashMap<Box<str>, ByValue>,
}

/// The watches for one value of a field each.
type ByValue = HashMap<Box<str>, Vec<(Interest, Sender)>>;

impl Watchers {
    fn add(&mut self, interest: Interest, sender: Sender) {
        match interest.field.clone() {
            None => push(&mut self.broad, interest, sender),
            Some((field, value)) => {
                let by_value = self.narrow.entry(field).or_default();
                if by_value.len() == by_value.capacity() {
                    by_value.retain(|_, watchers| watchers.iter().any(is_open));
                    by_value.reserve(by_value.len());
                }
                push(by_value.entry(value).or_default(), interest, sender);
            }
        }
    }

    /// How many are remembered, open or not.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.broad.len() + self.narrow.values().flat_map(HashMap::values).map(Vec::len).sum::<usize>()
    }

    /// Hands a change to those who want it. Who does not take it is cut off; who has gone is forgotten.
    fn publish(&mut self, change: &Arc<Change>) {
        offer(&mut self.broad, change);
        for (field, by_value) in &mut self.narrow {
            let now = change.entry.header.field(field);
            let before =
                change.old.as_ref().and_then(|old| old.header.field(field)).filter(|value| Some(*value) != now);
            for value in [now, before].into_iter().flatten() {
                if let Some(watchers) = by_value.get_mut(value) {
                    offer(watchers, change);
                    if watchers.is_empty() {
                        by_value.remove(value);
                    }
                }
            }
        }
    }
}

fn is_open((_, watcher): &(Interest, Sender)) -> bool {
    !watcher.is_closed()
}

/// Adds a watcher. Before the list grows, those are forgotten who have gone: changes do that too, but where nothing
/// changes, clients that come and go would fill the memory. Room for twice as many keeps it cheap.
fn push(watchers: &mut Vec<(Interest, Sender)>, interest: Interest, sender: Sender) {
    if watchers.len() == watchers.capacity() {
        watchers.retain(is_open);
        watchers.reserve(watchers.len().max(1));
    }
    watchers.push((interest, sender));
}

fn offer(watchers: &mut Vec<(Interest, Sender)>, change: &Arc<Change>) {
    watchers.retain(|(interest, watcher)| {
        if interest.wants(change) { watcher.try_send(change.clone()).is_ok() } else { !watcher.is_closed() }
    });
}

/// A resource.
#[derive(Debug)]
pub struct Shelf {
    /// API group of the stored form.
    pub group: Box<str>,
    /// Plural of the stored form.
    pub plural: Box<str>,
    generation: AtomicU64,
    state: RwLock<State>,
}

impl Shelf {
    pub(super) fn new(group: &str, plural: &str, compacted: u64) -> Self {
        let state = RwLock::new(State::new(Map::new(), compacted));
        Self { group: group.into(), plural: plural.into(), generation: AtomicU64::new(0), state }
    }

    /// A number that changes with every change.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
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
        let (sender, changes) = mpsc::channel(MAX_QUEUED_CHANGES);
        state.watchers.add(interest, sender);
        Ok(Subscription { missed, changes })
    }

    /// Begins a watch with what there is now, read at the same moment.
    pub fn list_and_watch(&self, applied: impl FnOnce() -> u64, interest: Interest) -> (Snapshot, Subscription) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let snapshot = Snapshot { revision: applied().max(state.last), map: state.map.clone() };
        let (sender, changes) = mpsc::channel(MAX_QUEUED_CHANGES);
        state.watchers.add(interest, sender);
        (snapshot, Subscription { missed: Vec::new(), changes })
    }

    /// Whether its history begins before this revision.
    pub(super) fn is_before(&self, revision: u64) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).compacted < revision
    }

    /// Takes these objects in the place of what is there. History begins at `revision`, and watches are cut off.
    pub(super) fn replace(&self, entries: Vec<Arc<Entry>>, revision: u64) {
        let map = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = State::new(map, revision);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Takes one committed change in. `make` builds the entry from whether the object is new; `None` for a deletion.
    pub(super) fn apply(
        &self,
        key: &str,
        revision: u64,
        make: Option<impl FnOnce(bool) -> Arc<Entry>>,
    ) -> Option<Arc<Entry>> {
        let old = self.get(key); // this task is the only writer, so nothing comes between
        let change = match (make, &old) {
            (Some(make), None) => Change { revision, kind: ChangeKind::Added, entry: make(true), old: None },
            (Some(make), Some(_)) => {
                Change { revision, kind: ChangeKind::Modified, entry: make(false), old: old.clone() }
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
        state.change_bytes += change.entry.frame().len();
        state.changes.push_back(change.clone());
        while state.changes.len() > MAX_CHANGES || state.change_bytes > MAX_CHANGE_BYTES {
            let Some(gone) = state.changes.pop_front() else { break };
            state.change_bytes -= gone.entry.frame().len();
            state.compacted = gone.revision;
        }
        state.watchers.publish(&change);
        self.generation.fetch_add(1, Ordering::Release);
        Some(change.entry.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten thousand clients come to a resource that never changes, and most of them go at once.
    #[test]
    fn watchers_who_have_gone_are_forgotten_although_nothing_changes() {
        let shelf = Shelf::new("", "pods", 0);
        let mut open = Vec::new();
        for number in 0..10_000_u32 {
            let field = (number % 2 == 0).then(|| ("spec.nodeName".into(), number.to_string().into()));
            let subscription = shelf.watch(0, Interest { namespace: None, field }).unwrap();
            if number % 100 < 2 {
                open.push(subscription);
            }
        }
        let remembered = shelf.state.read().unwrap().watchers.len();
        assert!(remembered >= open.len(), "{remembered}");
        assert!(remembered < 4 * open.len(), "{remembered} of {} that are open", open.len());
    }
}
