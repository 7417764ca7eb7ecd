//! Connections to kubelets and pods: log, exec, attach, port-forward, proxy. Where to and what for is a plan, made by a
//! pure function; then the request is passed on with the server's own certificate, and upgraded streams byte for byte.
//!
//! What not: the protocols inside the streams (WebSocket, SPDY); those are between the client and the kubelet.

mod dial;
mod options;
mod plan;
mod proxy;
mod relay;

pub use dial::KubeletClient;

use crate::SharedReader;
use crate::body::{Body, RequestBody};
use crate::chain::Connector;
use crate::request::RequestInfo;
use crate::user::UserInfo;
use api::status::Status;
use clock::SharedClock;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use plan::{Answer, Plan};
use rustls::ClientConfig;
use std::sync::Arc;

/// Serves the connecting subresources.
pub struct Streaming {
    reader: SharedReader,
    kubelet: Option<KubeletClient>,
    clock: SharedClock,
}

impl Streaming {
    /// Without a kubelet client every connection to a node is refused.
    pub fn new(reader: SharedReader, kubelet: Option<KubeletClient>, clock: SharedClock) -> Self {
        Self { reader, kubelet, clock }
    }
}

impl Connector for Streaming {
    fn connect(
        &self,
        request: Request<RequestBody>,
        info: &RequestInfo,
        _user: &UserInfo,
    ) -> BoxFuture<'static, Result<Response<Body>, Status>> {
        let plan = plan::plan(&self.reader, info, rand::random_range(0..usize::MAX));
        let (kubelet, clock) = (self.kubelet.clone(), self.clock.clone());
        Box::pin(async move {
            match plan? {
                Plan::NoContent => {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::NO_CONTENT;
                    Ok(response)
                }
                Plan::Kubelet { address, target, answer } => {
                    let Some(kubelet) = kubelet else {
                        return Err(Status::internal("this server has no credentials for kubelets"));
                    };
                    let connection = kubelet.dial(&*clock, &address).await;
                    let connection = connection.map_err(|error| answer.unreachable(&address, &target, error))?;
                    relay::relay(connection, request, &address, &target, answer).await
                }
                Plan::Pod { scheme, address, target } => {
                    let answer = Answer::Proxied;
                    let connection = dial::dial_pod(&*clock, scheme, &address).await;
                    let connection = connection.map_err(|error| answer.unreachable(&address, &target, error))?;
                    relay::relay(connection, request, &address, &target, answer).await
                }
            }
        })
    }
}

/// Passes a request on to who has a certificate of this name, at this address.
///
/// # Errors
/// Nobody is there, or not they.
pub(crate) async fn forward(
    clock: &dyn clock::Clock,
    tls: Arc<ClientConfig>,
    (address, name): (&str, &str),
    target: &str,
    request: Request<RequestBody>,
) -> Result<Response<Body>, Status> {
    let connection = dial::dial_named(clock, tls, address, name).await;
    let connection = connection.map_err(|error| Answer::Proxied.unreachable(address, target, error))?;
    relay::relay(connection, request, address, target, Answer::Proxied).await
}

#[cfg(test)]
mod tests;
