//! What writers of this process said about their writes, until the watch brings the events.

use crate::Note;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// Notes that may wait; beyond that they are lost, which costs a parse each. More writes are never on their way.
const MAX_NOTES: usize = 4096;

/// Notes by key. An event has the note of the write with the same bytes.
#[derive(Default)]
pub(super) struct Notes(HashMap<Arc<str>, (Bytes, Note)>);

impl Notes {
    /// Before a write is sent.
    pub(super) fn add(&mut self, key: &Arc<str>, value: &Bytes, note: &Note) {
        if note.0.is_some() && (self.0.len() < MAX_NOTES || self.0.contains_key(key)) {
            self.0.insert(key.clone(), (value.clone(), note.clone()));
        }
    }

    /// The note for an event, for the first watch that brings it.
    pub(super) fn take(&mut self, key: &str, value: &[u8]) -> Note {
        if self.0.get(key).is_none_or(|(bytes, _)| bytes != value) {
            return Note::default();
        }
        self.0.remove(key).map(|(_, note)| note).unwrap_or_default()
    }

    /// After a write that did not take place.
    pub(super) fn drop_if(&mut self, key: &str, value: &Bytes) {
        if self.0.get(key).is_some_and(|(bytes, _)| bytes == value) {
            self.0.remove(key);
        }
    }
}
