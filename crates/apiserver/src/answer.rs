//! Making responses.

use crate::accept::Media;
use crate::body::Body;
use crate::cache::canonical;
use api::status::Status;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// A response of the server.
pub type Answer = Response<Body>;

/// A response with a content type.
pub fn answer(code: u16, content_type: &'static str, body: impl Into<Body>) -> Answer {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A value in the client's form. JSON ends with a line break where it is made for the answer, as upstream's does.
pub fn object(code: u16, media: Media, value: &Value) -> Answer {
    match media {
        Media::Json => json(code, wire(value)),
        Media::Yaml => answer(code, media.content_type(), api::codec::encode_yaml(value)),
        // What has no protobuf form goes out as JSON, which every client of protobuf reads too.
        Media::Protobuf => match crate::protobuf::encode(value) {
            Some(bytes) => answer(code, media.content_type(), bytes),
            None => json(code, wire(value)),
        },
    }
}

/// JSON bytes as they are.
pub fn json(code: u16, bytes: Bytes) -> Answer {
    answer(code, Media::Json.content_type(), bytes)
}

/// JSON for the wire: `kind` and `apiVersion` first, with the resourceVersion.
pub fn wire(value: &Value) -> Bytes {
    let revision = value.get("metadata").and_then(|m| m.get("resourceVersion")).and_then(Value::as_str);
    match revision.and_then(|revision| revision.parse().ok()) {
        Some(revision) => crate::cache::splice_revision(&canonical(value), revision, b"", b"").0,
        None => canonical(value),
    }
}

/// An error; when to come back is said in a header too.
pub fn status(status: &Status, media: Media) -> Answer {
    let mut response = object(status.code, media, &status.to_value());
    if let Some(seconds) = status.details["retryAfterSeconds"].as_u64().filter(|seconds| *seconds > 0) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Text of paths outside of the API.
pub fn text(code: u16, text: impl Into<Body>) -> Answer {
    let mut response = answer(code, "text/plain; charset=utf-8", text);
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// A code and nothing else.
pub fn empty(code: u16) -> Answer {
    let mut response = text(code, "");
    response.headers_mut().clear();
    response
}

/// Upstream's answer for a path that is nothing at all.
pub fn page_not_found() -> Answer {
    text(404, "404 page not found\n")
}

/// The 404 of an unknown resource.
pub fn no_such_resource() -> Status {
    let message = "the server could not find the requested resource";
    Status { details: serde_json::json!({}), ..Status::plain(404, "NotFound", message) }
}

/// The 405 of a known resource.
pub fn method_not_allowed() -> Status {
    let message = "the server does not allow this method on the requested resource";
    Status { details: serde_json::json!({}), ..Status::plain(405, "MethodNotAllowed", message) }
}
