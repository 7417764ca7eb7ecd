//! A connection with its streams: one task reads and hands out, one writes.

use super::frame::{self, Frame};
use super::headers::{Decoder, Encoder};
use bytes::Bytes;
use clock::Clock;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Frames that wait to be written.
const WRITE_QUEUE: usize = 32;
/// Data pieces that wait in a stream; then the whole connection waits, as in the Go library.
const STREAM_QUEUE: usize = 16;
/// Streams that wait to be accepted.
const ACCEPT_QUEUE: usize = 16;
/// Streams at a time on one connection: a port-forward uses two per TCP connection.
const MAX_STREAMS: usize = 2048;
const REFUSED_STREAM: u32 = 3;
const CANCEL: u32 = 5;

/// A stream that the client has opened.
#[derive(Debug)]
pub(in crate::server) struct Accepted {
    pub headers: BTreeMap<String, String>,
    /// What the client sends; ends with its FIN.
    pub data: mpsc::Receiver<Bytes>,
    pub send: SendStream,
}

/// Our half of a stream.
#[derive(Clone, Debug)]
pub(in crate::server) struct SendStream {
    id: u32,
    writer: mpsc::Sender<Frame>,
}

impl SendStream {
    /// Sends data; false when the connection is gone.
    pub async fn send(&self, data: Bytes) -> bool {
        self.writer.send(Frame::Data { id: self.id, fin: false, data }).await.is_ok()
    }

    /// Ends our half.
    pub async fn finish(&self) {
        // A connection that is gone has ended it already.
        let _ = self.writer.send(Frame::Data { id: self.id, fin: true, data: Bytes::new() }).await;
    }

    /// Ends both halves at once.
    pub async fn reset(&self) {
        let _ = self.writer.send(Frame::Reset { id: self.id, status: CANCEL }).await;
    }
}

/// The server's side of a SPDY connection. Dropping it closes the connection.
#[derive(Debug)]
pub(in crate::server) struct Session {
    accepted: mpsc::Receiver<Accepted>,
    writer: Option<mpsc::Sender<Frame>>,
    read_ended: CancellationToken,
    stop: Option<DropGuard>,
}

impl Session {
    /// Takes over a connection.
    pub fn start<S>(stream: S) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        let (frames, to_write) = mpsc::channel(WRITE_QUEUE);
        let (accept, accepted) = mpsc::channel(ACCEPT_QUEUE);
        let (stop, read_ended) = (CancellationToken::new(), CancellationToken::new());
        let reading = Reading {
            writer: frames.clone(),
            accept,
            streams: HashMap::new(),
            decoder: Decoder::new(),
            encoder: Encoder::default(),
        };
        let (stopped, ended) = (stop.clone(), read_ended.clone().drop_guard());
        tokio::spawn(async move {
            let _ended = ended;
            tokio::select! {
                () = stopped.cancelled() => {}
                result = reading.run(reader) => if let Err(error) = result {
                    tracing::debug!(%error, "SPDY connection ended");
                }
            }
        });
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                result = write_all(writer, to_write) => if let Err(error) = result {
                    tracing::debug!(%error, "SPDY connection ended");
                }
            }
        });
        Self { accepted, writer: Some(frames), read_ended, stop: Some(stop.drop_guard()) }
    }

    /// The next stream of the client; `None` when the connection has ended.
    pub async fn accept(&mut self) -> Option<Accepted> {
        self.accepted.recv().await
    }

    /// Resolves when the client has closed the connection.
    pub async fn closed(&self) {
        self.read_ended.cancelled().await;
    }

    /// Says good-bye and waits a while for the client to close, so that what was sent arrives.
    pub async fn finish(mut self, clock: &dyn Clock, limit: Duration) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.send(Frame::GoAway { last: 0 }).await;
        }
        let _ = clock::timeout(clock, limit, self.read_ended.cancelled()).await;
        drop(self.stop.take());
    }
}

async fn write_all(mut stream: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Frame>) -> std::io::Result<()> {
    while let Some(next) = frames.recv().await {
        frame::write(&mut stream, &next).await?;
        // Write what else waits before the flush.
        while let Ok(more) = frames.try_recv() {
            frame::write(&mut stream, &more).await?;
        }
        stream.flush().await?;
    }
    stream.shutdown().await
}

struct Reading {
    writer: mpsc::Sender<Frame>,
    accept: mpsc::Sender<Accepted>,
    streams: HashMap<u32, mpsc::Sender<Bytes>>,
    decoder: Decoder,
    encoder: Encoder,
}

impl Reading {
    async fn run(mut self, mut stream: impl AsyncRead + Unpin) -> std::io::Result<()> {
        while let Some(next) = frame::read(&mut stream).await? {
            match next {
                Frame::SynStream { id, fin, block } => self.open(id, fin, &block).await?,
                Frame::Data { id, fin, data } => self.data(id, fin, data).await,
                Frame::Reset { id, .. } => drop(self.streams.remove(&id)),
                Frame::Ping { id } => self.reply(Frame::Ping { id }).await,
                Frame::GoAway { .. } => {
                    // The client opens no more streams; those that are open go on until the connection ends.
                }
                Frame::SynReply { .. } | Frame::Other => {}
            }
        }
        Ok(())
    }

    async fn reply(&self, frame: Frame) {
        // A writer that is gone ends the connection by itself.
        let _ = self.writer.send(frame).await;
    }

    async fn open(&mut self, id: u32, fin: bool, block: &[u8]) -> std::io::Result<()> {
        // A block that cannot be read spoils the compression of all later ones.
        let headers = self.decoder.decode(block).map_err(|error| {
            std::io::Error::new(std::io::ErrorKind::InvalidData, format!("SPDY headers: {error:?}"))
        })?;
        if self.streams.len() >= MAX_STREAMS || self.streams.contains_key(&id) {
            self.reply(Frame::Reset { id, status: REFUSED_STREAM }).await;
            return Ok(());
        }
        let (sender, data) = mpsc::channel(STREAM_QUEUE);
        if !fin {
            self.streams.insert(id, sender);
        }
        let block = self.encoder.encode(&[]).into();
        self.reply(Frame::SynReply { id, block }).await;
        let send = SendStream { id, writer: self.writer.clone() };
        // Nobody accepts any more: the session is ending.
        let _ = self.accept.send(Accepted { headers, data, send }).await;
        Ok(())
    }

    async fn data(&mut self, id: u32, fin: bool, data: Bytes) {
        let Some(stream) = self.streams.get(&id) else { return };
        let gone = !data.is_empty() && stream.send(data).await.is_err();
        if fin || gone {
            self.streams.remove(&id);
        }
    }
}
