//! gRPC's health checking protocol, `grpc.health.v1.Health/Check`: one call with one string, answered with one number. The two
//! messages are small enough to be written by hand.

use super::HandlerError;
use super::endpoint::{Endpoint, dial};
use crate::go_duration::go_duration;
use bytes::Bytes;
use clock::Clock;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;

/// Bytes of an answer at most: a message of one number.
const ANSWER_MAX_BYTES: usize = 1 << 10;
/// Between two attempts to connect: gRPC's channel goes on trying while there is time.
const CONNECT_RETRY: Duration = Duration::from_millis(100);
/// gRPC's code of a method that the server does not know.
const UNIMPLEMENTED: usize = 12;

/// gRPC's codes by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// `HealthCheckResponse.ServingStatus` by number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Asks whether a service (empty: the server as a whole) is well.
///
/// # Errors
/// It is not, it does not say, or nobody answers within `limit`.
pub(crate) async fn check(
    endpoint: &Endpoint,
    service: &str,
    clock: &dyn Clock,
    limit: Duration,
) -> Result<(), HandlerError> {
    let began = clock.monotonic();
    let connecting = async {
        loop {
            match dial(endpoint, clock, None).await {
                Ok(stream) => return stream,
                Err(_) => clock.sleep(CONNECT_RETRY).await,
            }
        }
    };
    let within = go_duration(limit);
    let Some(stream) = clock::timeout(clock, limit, connecting).await else {
        return Err(HandlerError::Server(format!(
            "timeout: failed to connect service \"{endpoint}\" within {within}: context deadline exceeded"
        )));
    };
    let left = limit.saturating_sub(clock.monotonic().saturating_sub(began));
    match clock::timeout(clock, left, call(stream, endpoint, service)).await {
        Some(Ok(1)) => Ok(()),
        Some(Ok(status)) => {
            let status = STATUSES.get(status).map_or_else(|| status.to_string(), |name| (*name).to_owned());
            Err(HandlerError::Server(format!("service unhealthy (responded with {status:?})")))
        }
        Some(Err(error)) => Err(HandlerError::Server(error)),
        None => Err(HandlerError::Server(format!("timeout: health rpc did not complete within {within}"))),
    }
}

/// The serving status, by its number.
async fn call(stream: tokio::net::TcpStream, endpoint: &Endpoint, service: &str) -> Result<usize, String> {
    let failed =
        |code: &str, words: &str| format!("error: health rpc probe failed: rpc error: code = {code} desc = {words}");
    let unavailable = |error: &dyn std::fmt::Display| failed("Unavailable", &error.to_string());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| unavailable(&error))?;
    let request = Request::post(format!("http://{endpoint}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/1.36")
        .body(Full::new(request_message(service)))
        .map_err(|error| failed("Internal", &error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| unavailable(&error))?;
        let (parts, body) = response.into_parts();
        let collected = Limited::new(body, ANSWER_MAX_BYTES).collect().await.map_err(|error| unavailable(&error))?;
        // where there is no message, the headers are the trailers
        let trailers = collected.trailers().cloned().unwrap_or(parts.headers);
        match outcome(&trailers) {
            (0, _) => serving_status(&collected.to_bytes())
                .ok_or_else(|| failed("Internal", "the answer is no HealthCheckResponse")),
            (UNIMPLEMENTED, words) => Err(format!(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {words}"
            )),
            (code, words) => Err(failed(CODES.get(code).unwrap_or(&"Unknown"), &words)),
        }
    };
    let driver = async {
        let _ = connection.await; // its error shows in the exchange
        std::future::pending::<()>().await;
    };
    futures::pin_mut!(exchange, driver);
    match futures::future::select(exchange, driver).await {
        futures::future::Either::Left((result, _)) => result,
        futures::future::Either::Right(((), _)) => Err(unavailable(&"EOF")),
    }
}

/// Code and message of a call's end.
fn outcome(trailers: &HeaderMap) -> (usize, String) {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let code = text("grpc-status").parse().unwrap_or(2); // Unknown
    (code, text("grpc-message"))
}

/// A message's frame: not compressed, its length, and `HealthCheckRequest { service = 1 }`.
fn request_message(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        write_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(message);
    Bytes::from(frame)
}

fn write_varint(to: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// `HealthCheckResponse { status = 1 }`; one that says nothing says UNKNOWN.
fn serving_status(frame: &[u8]) -> Option<usize> {
    let message = frame.get(5..)?;
    let length = u32::from_be_bytes(frame.get(1..5)?.try_into().ok()?);
    if frame[0] != 0 || message.len() != usize::try_from(length).ok()? {
        return None;
    }
    match message {
        [] => Some(0),
        [0x08, status] if *status < 0x80 => Some(usize::from(*status)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert_eq!(request_message("").as_ref(), [0, 0, 0, 0, 0]);
        assert_eq!(request_message("ab").as_ref(), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(request_message(&"x".repeat(200))[5..8], [0x0a, 0xc8, 0x01]);
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(serving_status(&[0, 0, 0, 0, 0]), Some(0));
        for bad in [&[][..], &[0, 0, 0], &[1, 0, 0, 0, 0], &[0, 0, 0, 0, 2, 8], &[0, 0, 0, 0, 2, 9, 1]] {
            assert_eq!(serving_status(bad), None, "{bad:?}");
        }
    }
}
