//! Talking to a server in the same process: the same questions as over a connection, without the connection. A watch is
//! answered in objects, instead of a stream of bytes that would be put together on one side and taken apart on the other.
//!
//! What not: how the server finds the answer. Whoever wires the two together says so.

use crate::{Client, Error};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use kube::core::Status;
use serde::de::DeserializeOwned;

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum DirectEvent {
    /// An object that is there, or has changed: its JSON, shared with whoever else holds it.
    Applied(Bytes),
    /// An object that has gone, or has left the selection: its last state, with the version of that change.
    Deleted(Bytes),
    /// All changes up to this version have been told.
    Bookmark {
        /// The version.
        resource_version: String,
        /// All objects that were there in the beginning have been told.
        initial_events_end: bool,
    },
}

/// Events in order. It ends when the server ends the watch; nothing comes after an error.
pub type DirectEvents = BoxStream<'static, Result<DirectEvent, Error>>;

/// A server in the same process, under one identity.
pub trait Direct: Send + Sync {
    /// Sends a request that is answered at once and whole.
    fn send(&self, request: http::Request<Vec<u8>>) -> BoxFuture<'static, Result<http::Response<Bytes>, Error>>;

    /// Begins a watch: `request` is the one that would be sent over a connection, and is authorized like that.
    fn watch(&self, request: http::Request<Vec<u8>>) -> BoxFuture<'static, Result<DirectEvents, Error>>;
}

impl Client {
    /// Sends a request by the shortest way, and reads the JSON of the answer.
    pub(crate) async fn request<T: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<T, Error> {
        let Some(direct) = self.direct() else { return Ok(self.kube().request(request).await?) };
        let answer = direct.send(request).await?;
        if answer.status().is_success() {
            return serde_json::from_slice(answer.body()).map_err(Error::Decode);
        }
        let status: Status = serde_json::from_slice(answer.body()).map_err(Error::Decode)?;
        Err(Error::Status(Box::new(status)))
    }
}
