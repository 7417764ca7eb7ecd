//! The health port of scheduler, controller manager (HTTPS) and kubelet: `/healthz`, `/livez` and `/readyz` for everyone, as the probes of
//! their static pods need it. Other paths are refused, as upstream refuses whoever it does not know.

use super::serving::Serving;
use client::Shutdown;
use clock::SharedClock;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at a time: probes need one.
const CONNECTIONS_MAX: usize = 32;
/// A connection is answered once or a few times and ends.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);
/// Rest after a failed accept, so that the loop does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Answers until `shutdown`. Port 0: no such port, as with upstream.
///
/// # Errors
/// The address cannot be bound, the certificate cannot be used.
pub async fn serve(
    address: IpAddr,
    port: u16,
    serving: Serving,
    clock: SharedClock,
    shutdown: Shutdown,
) -> Result<(), Box<dyn std::error::Error>> {
    if port == 0 {
        return Ok(());
    }
    let shown = serving.certificate(&clock, &shutdown)?;
    let tls = certs::changing_server_config(&shown, certs::ClientAuth::None, &[b"http/1.1"])?;
    let acceptor = TlsAcceptor::from(tls);
    listen(SocketAddr::new(address, port), Some(acceptor), clock, shutdown).await
}

/// The same without TLS: the kubelet's `healthzPort`, on loopback.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve_plain(
    address: SocketAddr,
    clock: SharedClock,
    shutdown: Shutdown,
) -> Result<(), Box<dyn std::error::Error>> {
    listen(address, None, clock, shutdown).await
}

async fn listen(
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    clock: SharedClock,
    shutdown: Shutdown,
) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("listen tcp {address}: {error}"))?;
    tokio::spawn(accept(listener, acceptor, clock, shutdown));
    Ok(())
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, clock: SharedClock, shutdown: Shutdown) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = shutdown.cancelled() => return,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            clock.sleep(ACCEPT_RETRY).await;
            continue;
        };
        let (acceptor, clock) = (acceptor.clone(), clock.clone());
        tokio::spawn(async move {
            let _place = place;
            // a peer that is too slow is cut off; nothing is lost with it
            let _ = clock::timeout(&*clock, CONNECTION_LIMIT, connection(stream, acceptor)).await;
        });
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>) {
    match acceptor {
        None => answers(stream).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                answers(stream).await;
            }
        }
    }
}

async fn answers(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(&request)) });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

fn answer<B>(request: &Request<B>) -> Response<String> {
    let path = request.uri().path();
    let is_health = ["/healthz", "/livez", "/readyz"]
        .iter()
        .any(|known| path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    let (status, text) = if is_health {
        (StatusCode::OK, "ok".to_owned())
    } else {
        let words = format!("forbidden: User \"system:anonymous\" cannot get path {path:?}: no RBAC policy matched\n");
        (StatusCode::FORBIDDEN, words)
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_for_everyone_and_nothing_else_is() {
        for (path, status) in [("/healthz", 200), ("/readyz/ping", 200), ("/healthzz", 403), ("/metrics", 403)] {
            let request = Request::get(path).body(()).unwrap();
            assert_eq!(answer(&request).status().as_u16(), status, "{path}");
        }
    }
}
