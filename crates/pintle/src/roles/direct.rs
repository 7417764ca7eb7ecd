//! Clients of the API server in the same process: requests go straight into its pipeline, and informers hear of objects
//! without a stream of bytes in between, under the same identity.

use apiserver::{InProcess, Observed};
use bytes::Bytes;
use client::{Client, ConfigError, Direct, DirectEvent, DirectEvents, Error};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::sync::Arc;
use tower::Service;

/// A client that passes the same authorization and admission as anyone.
///
/// # Errors
/// The user agent cannot stand in a header.
pub fn client(service: InProcess, user_agent: &str) -> Result<Client, ConfigError> {
    let agent = HeaderValue::from_str(user_agent).map_err(|_| ConfigError::UserAgent(user_agent.to_owned()))?;
    let direct = Arc::new(InThisProcess { service: service.clone(), agent });
    Ok(Client::from_service(service, user_agent)?.with_direct(direct))
}

struct InThisProcess {
    service: InProcess,
    agent: HeaderValue,
}

impl Direct for InThisProcess {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'static, Result<Response<Bytes>, Error>> {
        let mut request = request.map(|body| Full::new(Bytes::from(body)));
        request.headers_mut().insert(USER_AGENT, self.agent.clone());
        let answering = self.service.clone().call(request);
        async move {
            let Ok(answer) = answering.await;
            let (parts, body) = answer.into_parts();
            let Ok(body) = body.collect().await;
            Ok(Response::from_parts(parts, body.to_bytes()))
        }
        .boxed()
    }

    fn watch(&self, request: Request<Vec<u8>>) -> BoxFuture<'static, Result<DirectEvents, Error>> {
        let observing = self.service.observe(request);
        async move {
            let events = observing.await.map_err(|status| error(&status))?;
            Ok(events.map(|observed| observed.map(event).map_err(|status| error(&status))).boxed())
        }
        .boxed()
    }
}

fn event(observed: Observed) -> DirectEvent {
    match observed {
        Observed::Applied(json) => DirectEvent::Applied(json),
        Observed::Deleted(json) => DirectEvent::Deleted(json),
        Observed::Bookmark { revision, initial_end } => {
            DirectEvent::Bookmark { resource_version: revision.to_string(), initial_events_end: initial_end }
        }
    }
}

fn error(status: &api::status::Status) -> Error {
    serde_json::from_value(status.to_value()).map_or_else(Error::Decode, |status| Error::Status(Box::new(status)))
}

#[cfg(test)]
mod tests;
