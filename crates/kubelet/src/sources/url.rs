//! Manifests behind a URL, asked for every `httpCheckFrequency`. While the server does not answer, what runs goes on.

use super::{Source, SourceUpdate, decode::decode_manifest};
use crate::config::ManifestUrl;
use client::Shutdown;
use clock::SharedClock;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tokio::sync::mpsc;

/// A larger answer is no manifest, bytes.
const MAX_ANSWER_BYTES: usize = 10 << 20;
/// Upstream's limit for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

type HttpClient = Client<HttpConnector, Empty<bytes::Bytes>>;

/// Asks now and then every `frequency` until `shutdown`.
pub async fn run(
    url: ManifestUrl,
    frequency: Duration,
    node_name: String,
    clock: SharedClock,
    updates: mpsc::Sender<SourceUpdate>,
    shutdown: Shutdown,
) {
    let client: HttpClient = Client::builder(TokioExecutor::new()).build_http();
    let mut last: Option<bytes::Bytes> = None;
    loop {
        match clock::timeout(&*clock, REQUEST_TIMEOUT, fetch(&client, &url)).await {
            Some(Ok(body)) if last.as_ref() == Some(&body) => {}
            Some(Ok(body)) => {
                let update = match decode_manifest(&body, Source::Http, &node_name, clock.now()) {
                    Ok(pods) => Some(SourceUpdate { source: Source::Http, pods, problems: Vec::new() }),
                    Err(error) => {
                        tracing::error!(url = %url.url, %error, "cannot use the manifest of a URL");
                        None
                    }
                };
                last = Some(body);
                if let Some(update) = update
                    && updates.send(update).await.is_err()
                {
                    return;
                }
            }
            Some(Err(error)) => tracing::warn!(url = %url.url, %error, "cannot get manifests"),
            None => tracing::warn!(url = %url.url, "no answer within the time"),
        }
        tokio::select! {
            () = clock.sleep(frequency) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn fetch(client: &HttpClient, url: &ManifestUrl) -> Result<bytes::Bytes, String> {
    let uri: Uri = url.url.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let mut request = Request::get(uri);
    for (name, value) in &url.headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("{}: {}", url.url, answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
    let bytes = body.map_err(|error| error.to_string())?.to_bytes();
    if bytes.is_empty() { Err(format!("zero-length data received from {}", url.url)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
