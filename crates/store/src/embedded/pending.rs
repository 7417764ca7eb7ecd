//! Writes that are in a log and not yet in the database: of each key only the last. Pure.

use super::record::Deadline;
use crate::{Entry, Event, Revision};
use bytes::Bytes;
use foldhash::HashMap;
use std::sync::Arc;

/// What the database will be told. Bounded by the length of a log, and by what changes: a key that is written over and
/// over is here once.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    /// The revision of the last write; 0: there is none.
    pub(super) latest: Revision,
    pub(super) objects: HashMap<Arc<str>, (Revision, Option<Bytes>)>,
    pub(super) deadlines: HashMap<Arc<str>, Option<u64>>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Takes a group in.
    pub(super) fn add(&mut self, events: &[Event], deadlines: &[Deadline]) {
        for event in events {
            self.latest = event.revision;
            self.objects.insert(event.key.clone(), (event.revision, event.value.clone()));
        }
        self.deadlines.extend(deadlines.iter().cloned());
    }

    /// The content that it makes of an older one, in the order of the keys.
    pub(super) fn on_top_of(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        if self.is_empty() {
            return entries;
        }
        entries.retain(|entry| !self.objects.contains_key(&entry.key));
        let written = self.objects.iter().filter_map(|(key, (revision, value))| {
            Some(Entry { key: key.clone(), revision: *revision, value: value.clone()? })
        });
        entries.extend(written);
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        entries
    }
}
