//! The events of a watch as bytes.

use crate::accept::Media;
use crate::answer;
use crate::cache::ChangeKind;
use crate::endpoints::view;
use bytes::Bytes;
use serde_json::Value;

/// The `type` of an event.
pub(super) fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "ADDED",
        ChangeKind::Modified => "MODIFIED",
        ChangeKind::Deleted => "DELETED",
    }
}

/// An event with an object's metadata, cut out of its bytes: the garbage collector watches everything in this form.
pub(super) fn partial(kind: ChangeKind, meta_version: &str, metadata: &str) -> Bytes {
    of_json(kind, view::partial_json(metadata, meta_version).as_bytes())
}

/// An event with JSON that is there already.
pub(super) fn of_json(kind: ChangeKind, json: &[u8]) -> Bytes {
    let prefix = format!("{{\"type\":\"{}\",\"object\":", word(kind));
    Bytes::from([prefix.as_bytes(), json, b"}\n"].concat())
}

/// One event, as the client reads it.
pub(super) fn of(media: Media, kind: &str, object: &Value) -> Bytes {
    if let (Media::Protobuf, Some(frame)) = (media, crate::protobuf::watch_frame(kind, object)) {
        return frame.into();
    }
    let prefix = format!("{{\"type\":\"{kind}\",\"object\":");
    Bytes::from([prefix.as_bytes(), &answer::wire(object), b"}\n"].concat())
}
