//! Passing a request on: headers cleaned of the client's credentials, bodies streamed, upgrades joined byte for byte.

use super::dial::Connection;
use super::plan::Answer;
use crate::body::{Body, RequestBody};
use api::status::Status;
use bytes::Bytes;
use futures::Stream;
use http::header::{AUTHORIZATION, CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

/// How much of an error text is read, bytes (upstream's `maxReadLength`).
const MAX_ERROR_BYTES: usize = 50_000;

/// Sends the request to `target` of the other side and gives its answer.
pub(super) async fn relay(
    connection: Connection,
    mut request: Request<RequestBody>,
    address: &str,
    target: &str,
    answer: Answer,
) -> Result<Response<Body>, Status> {
    let client_side = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let mut onward = Request::builder().method(parts.method).uri(target);
    if let Some(headers) = onward.headers_mut() {
        *headers = cleaned(parts.headers, client_side.is_some());
        let host = HeaderValue::from_str(address).map_err(Status::internal)?;
        headers.insert(HOST, host);
    }
    let onward = onward.body(body).map_err(Status::internal)?;
    let lost = |error: hyper::Error| answer.unreachable(address, target, error);
    let (mut sender, driver) = http1::handshake(TokioIo::new(connection)).await.map_err(lost)?;
    // The driver ends with the connection: when both the answer's body and any upgrade are done.
    tokio::spawn(async move {
        if let Err(error) = driver.with_upgrades().await {
            tracing::debug!(%error, "connection to a kubelet or pod ended");
        }
    });
    let mut response = sender.send_request(onward).await.map_err(lost)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(client_side) = client_side else {
            return Err(Status::internal("the other side switched protocols unasked"));
        };
        join(client_side, hyper::upgrade::on(&mut response));
        let (parts, _) = response.into_parts();
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    if let Answer::TextErrors { pod } = &answer
        && !response.status().is_success()
    {
        return Err(text_error(response, pod).await);
    }
    let (mut parts, body) = response.into_parts();
    // The body is framed anew for the client.
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.remove(CONNECTION);
    Ok(Response::from_parts(parts, Body::stream(data(body))))
}

/// Headers of the hop, and those that say who the client is, end here.
fn cleaned(headers: HeaderMap, upgrade: bool) -> HeaderMap {
    const HOP: [&str; 6] =
        ["keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding"];
    let stays = |name: &HeaderName| {
        let text = name.as_str();
        let hop = HOP.contains(&text) || (!upgrade && (*name == CONNECTION || *name == UPGRADE));
        let credentials = *name == AUTHORIZATION || text == "cookie" || text.starts_with("impersonate-");
        !hop && !credentials
    };
    let mut kept = HeaderMap::with_capacity(headers.len());
    for name in headers.keys().filter(|name| stays(name)) {
        for value in headers.get_all(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// Copies both ways until both sides have ended; the end of one is passed to the other.
fn join(client: hyper::upgrade::OnUpgrade, server: hyper::upgrade::OnUpgrade) {
    tokio::spawn(async move {
        let (client, server) = match futures::future::try_join(client, server).await {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "a stream was not upgraded");
                return;
            }
        };
        let copied = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
        if let Err(error) = copied {
            tracing::debug!(%error, "a stream was cut off");
        }
    });
}

fn data(body: Incoming) -> impl Stream<Item = Bytes> + Send {
    futures::stream::unfold(body, |mut body| async move {
        loop {
            // A cut connection ends the stream: the status line is out already.
            let frame = body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                return Some((data, body));
            }
        }
    })
}

/// Upstream's `GenericHttpResponseChecker`.
async fn text_error(response: Response<Incoming>, pod: &str) -> Status {
    let code = response.status().as_u16();
    let limited = http_body_util::Limited::new(response.into_body(), MAX_ERROR_BYTES).collect().await;
    let text = limited.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
    let text = text.trim_end_matches('\n');
    let generic = |reason: &'static str, words: &str| {
        let mut status = Status::plain(code, reason, format!("{words} ({text})"));
        status.details = serde_json::json!({"name": pod, "kind": "pods"});
        status
    };
    match code {
        400 => Status::bad_request(text),
        500 => Status::internal(text),
        401 => generic("Unauthorized", "the server has asked for the client to provide credentials"),
        403 => generic("Forbidden", text),
        404 => generic("NotFound", "the server could not find the requested resource"),
        _ => generic("", "an error on the server has prevented the request from succeeding"),
    }
}
