//! The body of a request that is answered before all of it has come (405, 403, 413 and their like): the rest is read
//! and thrown away. Without it, what comes on an HTTP/2 stream that nobody reads makes the h2 crate end the stream, and
//! with it goes the answer that still waits to be sent. What is read to its end costs nothing.

use bytes::Bytes;
use clock::SharedClock;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
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
        tokio.spawn(drain(body, self.clock.clone()));
    }
}

/// Reads the rest, within the bounds.
async fn drain(mut body: impl Body<Data = Bytes> + Unpin, clock: SharedClock) {
    let all = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAIN_BYTES {
                return;
            }
        }
    };
    let _ = clock::timeout(&*clock, DRAIN_LIMIT, all).await; // who is slower finds the stream ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::ManualClock;
    use futures::stream;
    use http_body_util::StreamBody;
    use std::convert::Infallible;
    use std::sync::Arc;

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH))
    }

    #[tokio::test]
    async fn a_body_without_an_end_is_not_read_for_ever() {
        let mut pieces = 0;
        let piece = || {
            pieces += 1;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1 << 20])))
        };
        drain(StreamBody::new(stream::iter(std::iter::repeat_with(piece))), clock()).await;
        assert_eq!(pieces, (DRAIN_BYTES >> 20) + 1);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let clock = clock();
        let waiting = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let drained = tokio::spawn(drain(waiting, clock.clone()));
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!drained.is_finished());
        clock.advance(DRAIN_LIMIT);
        drained.await.unwrap();
    }
}
