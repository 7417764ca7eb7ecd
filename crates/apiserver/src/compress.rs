//! gzip for large answers, as upstream's: only what is in memory, only when the client asks.

use crate::answer::Answer;
use crate::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use std::io::Write as _;

/// Shorter answers are sent as they are; upstream's threshold.
const MIN_BYTES: usize = 128 << 10;

/// Whether the client can read it.
pub fn asked(request: &HeaderMap) -> bool {
    let accepts = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.split(',').any(|one| one.split(';').next().unwrap_or_default().trim() == "gzip")
}

/// The answer, compressed if it is worth it.
pub fn compress(response: Answer) -> Answer {
    let size = http_body::Body::size_hint(response.body()).exact().unwrap_or(0);
    if size < MIN_BYTES as u64 || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Some(pieces) = body.into_pieces() else { return Answer::from_parts(parts, Body::empty()) };
    let mut encoder = GzEncoder::new(Vec::with_capacity(MIN_BYTES), Compression::fast());
    // Writing into memory cannot fail.
    pieces.for_each(|piece| drop(encoder.write_all(&piece)));
    let bytes = encoder.finish().unwrap_or_default();
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Answer::from_parts(parts, bytes.into())
}
