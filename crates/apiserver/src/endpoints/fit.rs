//! Storing what is nearly too large: an object for which the store has no room may have it without its `managedFields`, which
//! the server can do without, and which are large where there are many fields (upstream's `isTooLargeError`).
//!
//! What not: an apply, which is about nothing else than who owns what.

use crate::cache::Entry;
use crate::call::Call;
use registry::Resource;
use serde_json::Value;
use std::sync::Arc;
use store::{CommitError, Expect};

/// Bodies of this size and less never make an object for which there is no room: its `managedFields` are not much more
/// than three times as large.
pub const SMALL_BODY_BYTES: usize = 256 << 10;
/// What stores say of a value that is too large; the second one is what etcd's own client says.
const TOO_LARGE: [&str; 2] = ["etcdserver: request is too large", "trying to send message larger than max"];

/// What to store.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    /// Where.
    pub key: &'a str,
    /// In its stored form.
    pub object: &'a Value,
    /// The text of its raw field.
    pub text: Option<&'a str>,
    /// What must be there.
    pub expect: Expect,
}

/// Stores an object, without its `managedFields` if that is the only way. `is_apply`: no other way.
///
/// # Errors
/// What the store says.
pub async fn put(call: &Call<'_>, row: &Resource, write: Write<'_>, is_apply: bool) -> Result<Arc<Entry>, CommitError> {
    let Write { key, object, text, expect } = write;
    let storage = &call.api.storage;
    let written = storage.put_as_sent(row, key, object, text, expect).await;
    if is_apply || !matches!(&written, Err(CommitError::Refused { message }) if is_too_large(message)) {
        return written;
    }
    let mut bare = object.clone();
    let removed = bare.get_mut("metadata").and_then(Value::as_object_mut).and_then(|all| all.remove("managedFields"));
    if removed.is_none() {
        return written;
    }
    storage.put_as_sent(row, key, &bare, text, expect).await
}

fn is_too_large(message: &str) -> bool {
    TOO_LARGE.iter().any(|words| message.contains(words))
}
