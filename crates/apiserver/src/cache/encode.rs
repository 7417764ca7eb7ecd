//! The canonical bytes of an object: `kind`, `apiVersion` and `metadata` first, then the other fields sorted.
//!
//! The order puts the place where the revision is spliced in near the front, and lets lists of built-in types leave out
//! `kind` and `apiVersion` by cutting a prefix off.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

/// Room for most objects, so that the buffer does not grow step by step: a running pod has three to four thousand bytes.
const USUAL_BYTES: usize = 4096;
const METADATA: &[u8] = b"\"metadata\":{";

/// The bytes for the store: without `metadata.resourceVersion`.
pub fn canonical(object: &Value) -> Bytes {
    canonical_with(object, None)
}

/// The same, with a field that is written as this text, which is JSON of its value.
pub fn canonical_with(object: &Value, text: Option<(&str, &str)>) -> Bytes {
    let mut out = Vec::with_capacity(USUAL_BYTES);
    write(object, text, &mut out);
    // They are held for a while, by the store's history for one: the room that a lease does not need would be four times it.
    out.shrink_to_fit();
    out.into()
}

fn write(object: &Value, text: Option<(&str, &str)>, out: &mut Vec<u8>) {
    let Some(fields) = object.as_object() else { return };
    out.push(b'{');
    let member = |out: &mut Vec<u8>, name: &str, value: &Value| {
        key(out, name);
        match text {
            Some((field, text)) if field == name => out.extend_from_slice(text.as_bytes()),
            _ => put(out, value),
        }
    };
    for name in ["kind", "apiVersion"] {
        if let Some(value) = fields.get(name) {
            member(out, name, value);
        }
    }
    match fields.get("metadata") {
        Some(Value::Object(metadata)) => {
            key(out, "metadata");
            out.push(b'{');
            for (name, value) in metadata.iter().filter(|(name, _)| *name != "resourceVersion") {
                key(out, name);
                put(out, value);
            }
            out.push(b'}');
        }
        Some(metadata) => member(out, "metadata", metadata),
        None => {}
    }
    for (name, value) in fields {
        if !matches!(name.as_str(), "kind" | "apiVersion" | "metadata") {
            member(out, name, value);
        }
    }
    out.push(b'}');
}

/// The key of an object's next member. A value never ends with what an object begins with.
fn key(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    put(out, name);
    out.push(b':');
}

/// Values always serialize into memory.
fn put(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    let _infallible = serde_json::to_writer(out, value);
}

/// Where `metadata` begins in canonical bytes: the offset of its key. `None` for bytes that are not canonical.
pub(super) fn metadata_offset(bytes: &[u8]) -> Option<usize> {
    bytes.windows(METADATA.len()).position(|window| window == METADATA)
}

/// Canonical bytes with `metadata.resourceVersion` put first into `metadata`, between `prefix` and `suffix`. Returns the
/// buffer and the offset of the metadata key in it (from the end of the prefix).
pub fn splice_revision(stored: &[u8], revision: u64, prefix: &[u8], suffix: &[u8]) -> (Bytes, usize) {
    let field = format!("\"resourceVersion\":\"{revision}\"");
    let mut out = BytesMut::with_capacity(prefix.len() + stored.len() + field.len() + 1 + suffix.len());
    out.put_slice(prefix);
    let offset = metadata_offset(stored);
    match offset {
        Some(at) => {
            let (before, after) = stored.split_at(at + METADATA.len());
            out.put_slice(before);
            out.put_slice(field.as_bytes());
            if after.first() != Some(&b'}') {
                out.put_u8(b',');
            }
            out.put_slice(after);
        }
        None => out.put_slice(stored),
    }
    out.put_slice(suffix);
    (out.freeze(), offset.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_revision_goes_into_metadata_wherever_else_the_word_stands() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"\"metadata\":{": "x"},
            "metadata": {"name": "a", "resourceVersion": "4"}});
        let stored = canonical(&object);
        assert_eq!(
            stored,
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"\"metadata\":{":"x"}}"#
        );
        let (bytes, _) = splice_revision(&stored, 17, b"<", b">");
        assert_eq!(
            bytes,
            r#"<{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"17","name":"a"},"data":{"\"metadata\":{":"x"}}>"#
        );
    }
    /// The store's history holds them: leases of 700 bytes took four kilobytes each.
    #[test]
    fn stored_bytes_hold_no_more_room_than_they_need() {
        let stored = canonical(&json!({"kind": "Lease", "apiVersion": "v1", "metadata": {"name": "a"}}));
        let length = stored.len();
        assert_eq!(stored.try_into_mut().unwrap().capacity(), length);
    }
}
