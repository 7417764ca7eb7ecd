//! Where an API service's server is, and asking it.

use super::Delegate;
use crate::answer::Answer;
use crate::body::RequestBody;
use crate::reader::ObjectReader;
use crate::server::Api;
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use serde_json::Value;
use std::time::Duration;

/// How long one question of ours may take: upstream's.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest document of discovery, in bytes: some hundred resources are 100 kB.
const MAX_DOCUMENT_BYTES: usize = 4 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum AskError {
    /// Nothing stands behind the service.
    Resolve(String),
    /// Nobody can be trusted.
    Tls(String),
    /// Nobody is there.
    Reach(String),
}

/// Sends a request to an endpoint of the service, under the service's name.
pub(super) async fn ask(
    api: &Api,
    delegate: &Delegate,
    target: &str,
    request: Request<RequestBody>,
) -> Result<Answer, AskError> {
    let address = crate::webhook_client::resolve(api, &delegate.namespace, &delegate.service, delegate.port);
    let address = address.map_err(AskError::Resolve)?;
    let tls = api.aggregation.tls(delegate).map_err(AskError::Tls)?;
    let name = format!("{}.{}.svc", delegate.service, delegate.namespace);
    let answered = crate::streaming::forward(&*api.clock, tls, (&address, &name), target, request).await;
    answered.map_err(|status| AskError::Reach(status.message))
}

/// The address that upstream would name: that of the service.
pub(super) fn url(api: &Api, delegate: &Delegate, path: &str) -> String {
    let service = api.cache.get("", "services", &delegate.namespace, &delegate.service);
    let spec = service.as_ref().map(|service| &service["spec"]);
    let text = |field: &str| spec.and_then(|spec| spec[field].as_str()).unwrap_or_default();
    let host = if text("type") == "ExternalName" { text("externalName") } else { text("clusterIP") };
    format!("https://{host}:{}{path}", delegate.port)
}

/// The path of discovery that whoever serves the group-version must serve.
pub(super) fn own_path(delegate: &Delegate) -> String {
    if delegate.group.is_empty() {
        return format!("/api/{}", delegate.version);
    }
    format!("/apis/{}/{}", delegate.group, delegate.version)
}

/// Gets a document, as the aggregator itself; the code, and the value where it is one.
pub(super) async fn get(api: &Api, delegate: &Delegate, path: &str, accept: &str) -> Result<(u16, Value), AskError> {
    let request = Request::get(path).header(header::ACCEPT, accept);
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let mut request = request.body(body).map_err(|error| AskError::Reach(error.to_string()))?;
    super::set_user(request.headers_mut(), &UserInfo::new("system:kube-aggregator", &[SYSTEM_PRIVILEGED_GROUP]));
    let asking = async {
        let response = ask(api, delegate, path, request).await?;
        let code = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_DOCUMENT_BYTES).collect().await;
        let bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
        Ok((code, serde_json::from_slice(&bytes).unwrap_or_default()))
    };
    let answered = clock::timeout(&*api.clock, TIMEOUT, asking).await;
    answered.unwrap_or_else(|| {
        let why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
        Err(AskError::Reach(why.to_owned()))
    })
}
