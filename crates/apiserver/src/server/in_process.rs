//! The pipeline as a `tower` service for clients in the same process, as `kube::Client::new` takes it.

use super::Api;
use crate::body::Body;
use crate::pipeline::{self, Identity};
use crate::user::UserInfo;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A handle for one identity. Cheap to clone.
#[derive(Clone)]
pub struct InProcess {
    api: Arc<Api>,
    user: Arc<UserInfo>,
}

impl InProcess {
    pub(super) fn new(api: Arc<Api>, user: UserInfo) -> Self {
        Self { api, user: Arc::new(user) }
    }

    /// The same pipeline under another identity.
    #[must_use]
    pub fn acting_as(&self, user: UserInfo) -> Self {
        Self::new(self.api.clone(), user)
    }
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InProcess({})", self.user.name)
    }
}

impl<B> tower::Service<http::Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tower::BoxError>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (api, user) = (self.api.clone(), self.user.clone());
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        Box::pin(async move { Ok(pipeline::handle(api, request, Identity::User(user)).await) })
    }
}
