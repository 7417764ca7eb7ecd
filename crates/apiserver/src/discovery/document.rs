//! A finished document: bytes, media type and entity tag.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A document that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Document {
    /// `Content-Type`
    pub content_type: &'static str,
    /// `ETag`, quotes and all: a hash of the body.
    pub etag: String,
    /// The body.
    pub body: Bytes,
}

impl Document {
    /// A document of these bytes.
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { content_type, etag: format!("\"{}\"", hash(&body)), body }
    }

    /// Whether an `If-None-Match` header names this version: the answer is then 304 without a body.
    pub fn matches(&self, if_none_match: &str) -> bool {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        if_none_match.split(',').any(|tag| tag.trim() == "*" || bare(tag) == bare(&self.etag))
    }
}

/// The hash of a body as upstream writes it: upper-case hex.
pub(crate) fn hash(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02X}")).collect()
}
