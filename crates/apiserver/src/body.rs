//! Bodies: what comes in with a request, and the three kinds of what goes out: a buffer, a list put together while it
//! is sent, and a stream.

use crate::cache::Entry;
use api::status::Status;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The body of a request, from the network or from a client in the same process.
pub type RequestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, tower::BoxError>;

/// The longest body of a write, in bytes: upstream's `MaxRequestBodyBytes`.
const MAX_BODY_BYTES: usize = 3 << 20;
/// Pieces of this many bytes are put together before they are sent: large enough that a list of 10,000 pods makes few
/// system calls, small enough that it never stands in memory twice.
const PIECE_BYTES: usize = 256 << 10;

/// All of a write's body.
///
/// # Errors
/// 413 for one that is too long.
pub(crate) async fn read(mut body: RequestBody) -> Result<Bytes, Status> {
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::bad_request(format!("the body could not be read: {error}")))?;
        let Ok(piece) = frame.into_data() else { continue }; // trailers
        length += piece.len();
        if length > MAX_BODY_BYTES {
            let message = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
            return Err(Status::plain(413, "RequestEntityTooLarge", message));
        }
        pieces.push(piece);
    }
    Ok(match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.remove(0),
        _ => pieces.concat().into(),
    })
}

/// The body of an answer.
pub struct Body(Kind);

/// A piece of a list.
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// [`Entry::json_without_type`], made when it is sent.
    Item(Arc<Entry>),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Item(entry) => entry.json_without_type_bytes(),
        }
    }

    fn bytes(self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Item(entry) => entry.json_without_type(),
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

enum Kind {
    Once(Option<Bytes>),
    Pieces { pieces: std::vec::IntoIter<Piece>, left: u64 },
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self(Kind::Once(None))
    }

    /// Sent one after the other; small ones are put together on the way out.
    pub fn pieces(pieces: Vec<Piece>) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self(Kind::Pieces { pieces: pieces.into_iter(), left })
    }

    /// The bytes of a body that is in memory, piece by piece; `None` for a stream.
    pub fn into_pieces(self) -> Option<impl Iterator<Item = Bytes> + Send> {
        let pieces = match self.0 {
            Kind::Once(bytes) => bytes.into_iter().map(Piece::from).collect::<Vec<_>>().into_iter(),
            Kind::Pieces { pieces, .. } => pieces,
            Kind::Stream(_) => return None,
        };
        Some(pieces.map(Piece::bytes))
    }

    /// Bytes as they come, until the stream ends.
    pub fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Kind::Stream(Box::pin(stream)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Once((!bytes.is_empty()).then_some(bytes)))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

/// The next piece of at most about [`PIECE_BYTES`].
fn gather(pieces: &mut std::vec::IntoIter<Piece>) -> Option<Bytes> {
    let first = pieces.next()?;
    if first.len() >= PIECE_BYTES || pieces.len() == 0 {
        return Some(first.bytes());
    }
    let mut buffer = BytesMut::with_capacity(PIECE_BYTES);
    buffer.extend_from_slice(&first.bytes());
    while pieces.as_slice().first().is_some_and(|next| buffer.len() + next.len() <= PIECE_BYTES) {
        buffer.extend(pieces.next().map(Piece::bytes));
    }
    Some(buffer.freeze())
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.0 {
            Kind::Once(bytes) => bytes.take(),
            Kind::Pieces { pieces, left } => {
                let next = gather(pieces);
                *left -= next.as_ref().map_or(0, |piece| piece.len() as u64);
                next
            }
            Kind::Stream(stream) => match stream.as_mut().poll_next(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Once(bytes) => bytes.is_none(),
            Kind::Pieces { left, .. } => *left == 0,
            Kind::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Once(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Kind::Pieces { left, .. } => SizeHint::with_exact(*left),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}
