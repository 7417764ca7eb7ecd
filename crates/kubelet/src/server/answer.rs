//! Answers: texts, JSON, streams of bytes.

use bytes::Bytes;
use futures::Stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;
use std::convert::Infallible;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;
pub(super) type Answer = Response<Body>;

fn answer(code: StatusCode, kind: &'static str, body: Body) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A plain text.
pub(super) fn text(code: StatusCode, words: impl Into<String>) -> Answer {
    answer(code, "text/plain; charset=utf-8", Full::new(Bytes::from(words.into())).boxed_unsync())
}

/// Why a request is not served: small, for the error side of results.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: StatusCode,
    words: String,
}

/// A refusal in plain text.
pub(super) fn refuse(code: StatusCode, words: impl Into<String>) -> Refusal {
    Refusal { code, words: words.into() }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        text(refusal.code, refusal.words)
    }
}

/// A JSON value.
pub(super) fn json(value: &Value) -> Answer {
    answer(StatusCode::OK, "application/json", Full::new(Bytes::from(value.to_string())).boxed_unsync())
}

/// Text as it comes.
pub(super) fn stream(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Answer {
    use futures::StreamExt;
    let frames = chunks.map(|chunk| Ok(Frame::data(chunk)));
    answer(StatusCode::OK, "text/plain", StreamBody::new(frames).boxed_unsync())
}
