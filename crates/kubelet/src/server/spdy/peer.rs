//! The client's side of a SPDY connection, for tests.

use super::frame::{Frame, read, write};
use super::headers::Encoder;
use bytes::Bytes;
use std::collections::BTreeMap;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

pub(in crate::server) struct Peer<S> {
    stream: S,
    encoder: Encoder,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, encoder: Encoder::default() }
    }

    pub async fn open(&mut self, id: u32, headers: &[(&str, &str)]) {
        let block = self.encoder.encode(headers).into();
        write(&mut self.stream, &Frame::SynStream { id, fin: false, block }).await.unwrap();
    }

    pub async fn data(&mut self, id: u32, data: &'static [u8], fin: bool) {
        write(&mut self.stream, &Frame::Data { id, fin, data: Bytes::from_static(data) }).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Everything until the other side says good-bye, by stream; then closes.
    pub async fn read_all(mut self) -> BTreeMap<u32, Vec<u8>> {
        let mut streams: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        while let Some(frame) = read(&mut self.stream).await.unwrap() {
            match frame {
                Frame::Data { id, data, .. } => streams.entry(id).or_default().extend_from_slice(&data),
                Frame::GoAway { .. } => break,
                _ => {}
            }
        }
        streams
    }
}
