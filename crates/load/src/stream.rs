//! A watch as it is read: frames, one for each line.

use crate::connection::{Connection, Sent};
use crate::error::LoadError;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// An open watch. Its connection closes with it.
pub struct Stream {
    _connection: Connection,
    body: Incoming,
    buffer: BytesMut,
    path: String,
}

impl Stream {
    /// Opens a watch.
    ///
    /// # Errors
    /// The server refused it.
    pub async fn open(mut connection: Connection, path: impl Into<String>) -> Result<Self, LoadError> {
        let sent = Sent::get(path);
        let response = connection.start(&sent).await?;
        let code = response.status().as_u16();
        if code != 200 {
            let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(LoadError::Refused { what: format!("watch {}", sent.path), code, body });
        }
        let body = response.into_body();
        Ok(Self { _connection: connection, body, buffer: BytesMut::new(), path: sent.path })
    }

    /// The next frame; `None` when the server ended the watch.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, LoadError> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.buffer.split_to(searched + end + 1).freeze()));
            }
            searched = self.buffer.len();
            let frame = match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => frame.map_err(|source| LoadError::Http { what: self.path.clone(), source })?,
            };
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
