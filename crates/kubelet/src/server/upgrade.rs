//! Upgrading a request: which protocol the client and we both know, and the 101.

use super::answer::{Answer, Body, Refusal, refuse};
use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// What the connection becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// WebSocket messages, under this subprotocol.
    WebSocket(String),
    /// SPDY/3.1 frames, with this protocol of streams on top.
    Spdy(String),
}

/// Answers 101, or says what is wrong. `websocket` and `spdy` are the protocols on offer, best first; the empty one is for who asks
/// for none.
pub(super) fn upgrade(
    mut request: Request<Incoming>,
    websocket: &[&str],
    spdy: &[&str],
) -> Result<(Answer, Transport, OnUpgrade), Refusal> {
    let headers = request.headers();
    let wants = |name: &str| listed(headers, &UPGRADE).iter().any(|own| own.eq_ignore_ascii_case(name));
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let out = response.headers_mut();
    out.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let transport = if wants("websocket") {
        let Some(key) = headers.get("sec-websocket-key") else {
            return Err(refuse(StatusCode::BAD_REQUEST, "the request lacks Sec-WebSocket-Key\n"));
        };
        let asked = listed(headers, &SEC_WEBSOCKET_PROTOCOL);
        let Some(protocol) = choose(&asked, websocket) else {
            let words = format!("none of the protocols {asked:?} is served, only {websocket:?}\n");
            return Err(refuse(StatusCode::BAD_REQUEST, words));
        };
        out.insert(UPGRADE, HeaderValue::from_static("websocket"));
        insert(out, SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes()));
        if !protocol.is_empty() {
            insert(out, SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        Transport::WebSocket(protocol.to_owned())
    } else if wants("SPDY/3.1") {
        let asked = listed(headers, &STREAM_PROTOCOL);
        let Some(protocol) = choose(&asked, spdy) else {
            let words = format!("unable to negotiate protocol: client supports {asked:?}, server accepts {spdy:?}\n");
            return Err(refuse(StatusCode::FORBIDDEN, words));
        };
        out.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        insert(out, STREAM_PROTOCOL, protocol);
        Transport::Spdy(protocol.to_owned())
    } else {
        return Err(refuse(StatusCode::BAD_REQUEST, "unable to upgrade: missing upgrade headers in request\n"));
    };
    let upgraded = hyper::upgrade::on(&mut request);
    Ok((response, transport, upgraded))
}

fn empty() -> Body {
    Empty::<Bytes>::new().boxed_unsync()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Protocol names of ours and base64: always valid.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The comma-separated values of all headers of a name.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

/// The best of ours that the client asks for.
fn choose<'a>(asked: &[String], ours: &[&'a str]) -> Option<&'a str> {
    let meant = |own: &&&str| if own.is_empty() { asked.is_empty() } else { asked.iter().any(|one| one == *own) };
    ours.iter().find(meant).copied()
}
