//! The pipeline for clients in the same process: as a `tower` service, as `kube::Client::new` takes it, and for watches
//! without HTTP.

use super::Api;
use crate::body::Body;
use crate::endpoints::watch::Observation;
use crate::pipeline::{self, Identity};
use crate::user::UserInfo;
use api::status::Status;
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
    pub(crate) fn new(api: Arc<Api>, user: UserInfo) -> Self {
        Self { api, user: Arc::new(user) }
    }

    /// The same pipeline under another identity.
    #[must_use]
    pub fn acting_as(&self, user: UserInfo) -> Self {
        Self::new(self.api.clone(), user)
    }

    /// Begins the watch that `request` asks for. Its answer is not a body but the objects themselves: their JSON, shared
    /// with the cache.
    pub fn observe<B>(&self, request: http::Request<B>) -> BoxFuture<'static, Result<Observation, Status>> {
        let (api, user, request) = (self.api.clone(), self.user.clone(), request.map(drop));
        Box::pin(async move { crate::observe::observe(&api, &request, &user).await })
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
