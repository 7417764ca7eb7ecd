//! The body of a request that is answered before all of it has come (405, 403, 413 and their like): the rest is read
//! and thrown away. Without it, what comes on an HTTP/2 stream that nobody reads makes the h2 crate end the stream, and
//! with it goes the answer that still waits to be sent. What is read to its end costs nothing.

use bytes::Bytes;
use clock::SharedClock;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The most that is read in vain, in bytes: what a client may have on its way when it is refused, and the rest of a
/// body that is somewhat too large. Who sends more finds the stream ended.
const DRAIN_BYTES: usize = 16 << 20;
/// How long a client may take to send it.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// A body whose rest is read when it is dropped.
pub(super) struct Drained {
    /// `None` after an error, when nothing more can come.
    body: Option<Incoming>,
    clock: SharedClock,
}

impl Drained {
    pub(super) fn new(body: Incoming, clock: SharedClock) -> Self {
        Self { body: Some(body), clock }
    }
}

impl Body for Drained {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Err(_))) = frame {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        // None where the runtime ends: then the connection ends too
        let Ok(tokio) = tokio::runtime::Handle::try_current() else { return };
        let clock = self.clock.clone();
        tokio.spawn(async move {
            let _ = clock::timeout(&*clock, DRAIN_LIMIT, drain(body)).await; // who is slower finds the stream ended
        });
    }
}

async fn drain(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > DRAIN_BYTES {
            return;
        }
    }
}
