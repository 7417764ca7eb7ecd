//! The calls of etcd's v3 protocol that are used here, over one balanced channel.

use super::wire;
use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// Answers of any size: pages and watch batches are bounded by their number of keys, values by etcd's own limit. Upstream
/// does the same.
const MAX_MESSAGE_BYTES: usize = i32::MAX as usize;

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) struct Client {
    channel: Channel,
}

impl Client {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.ready().await?;
        let codec = ProstCodec::<Q, A>::default();
        let answer = grpc.unary(Request::new(request), PathAndQuery::from_static(path), codec).await?;
        Ok(answer.into_inner())
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        Ok(grpc)
    }

    pub(super) async fn range(&self, request: wire::RangeRequest) -> Result<wire::RangeResponse, Status> {
        self.call("/etcdserverpb.KV/Range", request).await
    }

    pub(super) async fn txn(&self, request: wire::TxnRequest) -> Result<wire::TxnResponse, Status> {
        self.call("/etcdserverpb.KV/Txn", request).await
    }

    pub(super) async fn compact(&self, revision: i64) -> Result<(), Status> {
        let request = wire::CompactionRequest { revision };
        self.call::<_, wire::Nothing>("/etcdserverpb.KV/Compact", request).await.map(drop)
    }

    /// Grants a lease of so many seconds; its id.
    pub(super) async fn grant_lease(&self, ttl: i64) -> Result<i64, Status> {
        let request = wire::LeaseGrantRequest { ttl };
        let granted: wire::LeaseGrantResponse = self.call("/etcdserverpb.Lease/LeaseGrant", request).await?;
        Ok(granted.id)
    }

    /// The version of a member.
    pub(super) async fn version(&self) -> Result<String, Status> {
        let status: wire::StatusResponse =
            self.call("/etcdserverpb.Maintenance/Status", wire::Nothing::default()).await?;
        Ok(status.version)
    }

    /// All events of all keys from a revision on. A member that has lost its leader ends it.
    pub(super) async fn watch_all(&self, start_revision: i64) -> Result<Streaming<wire::WatchResponse>, Status> {
        let mut grpc = self.ready().await?;
        let create = wire::WatchCreateRequest {
            key: Bytes::from_static(&[0]),
            range_end: Bytes::from_static(&[0]),
            start_revision,
        };
        let first = wire::WatchRequest { request_union: Some(wire::WatchRequestUnion::Create(create)) };
        // The stream of requests stays open: its end would be the end of the watch.
        let requests = futures::StreamExt::chain(futures::stream::iter([first]), futures::stream::pending());
        let mut request = Request::new(requests);
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let codec = ProstCodec::<wire::WatchRequest, wire::WatchResponse>::default();
        let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        Ok(grpc.streaming(request, path, codec).await?.into_inner())
    }
}
