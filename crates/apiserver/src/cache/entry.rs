//! One object in the cache: the bytes that clients get, and the little that is looked at without parsing them.

use super::ChangeKind;
use super::encode::splice_revision;
use super::forms::Forms;
use super::header::Header;
use super::packed::{Packed, Templates};
use bytes::Bytes;
use registry::custom::Custom;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::{Arc, OnceLock};

const FRAME_END: &[u8] = b"}\n";

/// How the frame of a watch begins.
const fn prefix(kind: ChangeKind) -> &'static [u8] {
    match kind {
        ChangeKind::Added => b"{\"type\":\"ADDED\",\"object\":",
        ChangeKind::Modified => b"{\"type\":\"MODIFIED\",\"object\":",
        ChangeKind::Deleted => b"{\"type\":\"DELETED\",\"object\":",
    }
}

/// `namespace/name`, or `name` for cluster scope: the end of the store's key, and the order of lists.
pub(crate) fn key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// An object at one revision. Never changes.
pub struct Entry {
    /// The end of its key.
    pub key: Arc<str>,
    /// `metadata.resourceVersion`
    pub revision: u64,
    /// What is looked at without parsing.
    pub header: Arc<Header>,
    /// The change that made this.
    kind: ChangeKind,
    /// Its whole watch frame; [`Entry::json`] is a part of it.
    frame: Packed,
    /// Where `metadata` begins in the JSON.
    metadata: usize,
    value: OnceLock<Arc<Value>>,
    /// Of custom resources that someone has read.
    forms: OnceLock<Box<Forms>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({} at {})", self.key, self.revision)
    }
}

impl Entry {
    /// An entry of a new object: bytes in stored form and their revision.
    pub(super) fn added(key: Arc<str>, revision: u64, stored: &[u8], header: Arc<Header>) -> Self {
        Self::framed(key, revision, stored, header, ChangeKind::Added)
    }

    /// The entry of its next state. The header is shared where it is the same, as that of a lease always is.
    pub(super) fn modified(&self, revision: u64, stored: &[u8], header: Arc<Header>) -> Self {
        let header = if *header == *self.header { self.header.clone() } else { header };
        Self::framed(self.key.clone(), revision, stored, header, ChangeKind::Modified)
    }

    /// An entry that is not in the cache (any more).
    pub fn detached(key: &str, revision: u64, stored: &[u8], header: Arc<Header>) -> Self {
        Self::framed(key.into(), revision, stored, header, ChangeKind::Modified)
    }

    fn framed(key: Arc<str>, revision: u64, stored: &[u8], header: Arc<Header>, kind: ChangeKind) -> Self {
        let (frame, metadata) = splice_revision(stored, revision, prefix(kind), FRAME_END);
        let frame = Packed::new(frame);
        Self { key, revision, header, kind, frame, metadata, value: OnceLock::new(), forms: OnceLock::new() }
    }

    /// The last state of an object with the revision at which it was deleted, or left a selection: what a DELETED event
    /// carries.
    pub fn at_revision(&self, revision: u64) -> Self {
        // Canonical JSON has the revision first in metadata: cut it out, and splice the new one in.
        let json = self.json();
        let start = self.metadata + b"\"metadata\":{".len();
        let old = format!("\"resourceVersion\":\"{}\"", self.revision);
        let mut end = start + old.len();
        if json.get(end) == Some(&b',') {
            end += 1;
        }
        let stored = [&json[..start], json.get(end..).unwrap_or_default()].concat();
        Self::framed(self.key.clone(), revision, &stored, self.header.clone(), ChangeKind::Deleted)
    }

    /// The object as clients get it.
    pub fn json(&self) -> Bytes {
        let frame = self.frame.bytes();
        frame.slice(prefix(self.kind).len()..frame.len() - FRAME_END.len())
    }

    /// The object in a list of a built-in type: what follows `{"kind":…,"apiVersion":…,`. Put `{` before it.
    pub fn json_without_type(&self) -> Bytes {
        self.json().slice(self.metadata..)
    }

    /// How long that is, without making it.
    pub fn json_without_type_bytes(&self) -> usize {
        self.frame.len() - prefix(self.kind).len() - FRAME_END.len() - self.metadata
    }

    /// The object's `metadata`, as it stands in [`Entry::json`].
    pub fn json_of_metadata(&self) -> Box<RawValue> {
        let json = self.json_without_type();
        let json = json.strip_prefix(b"\"metadata\":").unwrap_or_default();
        let first = serde_json::Deserializer::from_slice(json).into_iter::<Box<RawValue>>().next();
        first.and_then(Result::ok).unwrap_or_default() // canonical bytes always parse
    }

    /// The watch frame of the change that made this entry, shared by all who watch it while it is new.
    pub fn frame(&self) -> Bytes {
        self.frame.bytes()
    }

    /// How long that is.
    pub fn frame_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Holds it by its difference to an object like it.
    pub(super) fn pack(&self, templates: &mut Templates) {
        self.frame.pack(templates);
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.frame.held_bytes()
    }

    /// A watch frame of another type than that of the change: for objects that enter or leave a selection.
    pub fn frame_as(&self, kind: ChangeKind) -> Bytes {
        if self.kind == kind {
            return self.frame();
        }
        Bytes::from([prefix(kind), &self.json(), FRAME_END].concat())
    }

    /// The object, parsed anew.
    pub fn value(&self) -> Value {
        match self.value.get() {
            Some(value) => (**value).clone(),
            None => serde_json::from_slice(&self.json()).unwrap_or_default(), // canonical bytes always parse
        }
    }

    /// The JSON of a custom resource's version, if it was made before.
    pub fn form(&self, custom: &Arc<Custom>) -> Option<Bytes> {
        self.forms.get()?.get(custom, || self.json())
    }

    /// Keeps the JSON of a custom resource's version; `None`: it is [`Entry::json`].
    pub fn keep_form(&self, custom: &Arc<Custom>, json: Option<Bytes>) {
        self.forms.get_or_init(Box::default).keep(custom, json);
    }

    /// The object, parsed once and kept: for the resources that the server itself reads over and over.
    pub fn shared_value(&self) -> Arc<Value> {
        self.value.get_or_init(|| Arc::new(serde_json::from_slice(&self.json()).unwrap_or_default())).clone()
    }
}
