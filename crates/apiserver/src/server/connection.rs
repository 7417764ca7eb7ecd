//! Listening: TCP, TLS, HTTP/1.1 and HTTP/2.

use super::Api;
use super::drain::Drained;
use crate::pipeline::{self, Identity};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls_pki_types::CertificateDer;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a client may take for its TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long open requests may go on after the server was told to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// Pause after `accept` fails, as it does when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the head of a request may take; upstream's `ReadHeaderTimeout`.
const HEADER_LIMIT: Duration = Duration::from_secs(32);
/// The longest list of headers of a request on HTTP/2, in bytes: room for a selector in the path, which may have 64 KiB.
const MAX_HEADER_BYTES: u32 = 128 << 10;
/// Streams that one HTTP/2 connection may have open; Go's default.
const MAX_STREAMS: u32 = 250;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Its verified certificate chain; empty without one.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

pub(super) async fn listen(api: Arc<Api>, listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>) {
    let acceptor = tls.map(tokio_rustls::TlsAcceptor::from);
    let connections = tokio_util::task::TaskTracker::new();
    loop {
        let (stream, address) = tokio::select! {
            () = api.stopping.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    api.clock.sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        connections.spawn(connection(api.clone(), stream, address, acceptor.clone()));
    }
    drop(listener);
    connections.close();
    if clock::timeout(&*api.clock, SHUTDOWN_LIMIT, connections.wait()).await.is_none() {
        tracing::warn!("connections were still open at shutdown");
    }
}

async fn connection(
    api: Arc<Api>,
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
) {
    let _ = stream.set_nodelay(true); // slower without, not wrong
    let Some(acceptor) = acceptor else {
        let peer = Peer { address, certificates: Arc::from([]) };
        return serve(api, TokioIo::new(stream), peer, auto::Builder::new(TokioExecutor::new())).await;
    };
    match clock::timeout(&*api.clock.clone(), HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
        Some(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let peer = Peer { address, certificates: certificates.iter().map(|c| c.clone().into_owned()).collect() };
            // Said in the handshake, or HTTP/1.1, as upstream has it. Looking at the first bytes instead would wait for them
            // without an end.
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let builder = auto::Builder::new(TokioExecutor::new());
            let builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
            serve(api, TokioIo::new(stream), peer, builder).await;
        }
        Some(Err(error)) => tracing::debug!(%address, %error, "TLS handshake"),
        None => tracing::debug!(%address, "TLS handshake took too long"),
    }
}

async fn serve<S>(api: Arc<Api>, io: TokioIo<S>, peer: Peer, mut builder: auto::Builder<TokioExecutor>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let stopping = api.stopping.clone();
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (api, certificates) = (api.clone(), peer.certificates.clone());
        async move {
            let rest = api.clock.clone();
            let request = request.map(|body| Drained::new(body, rest).map_err(tower::BoxError::from).boxed_unsync());
            Ok::<_, Infallible>(pipeline::handle(api, request, Identity::Peer(certificates)).await)
        }
    });
    set_limits(&mut builder);
    let connection = builder.serve_connection_with_upgrades(io, service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = &mut connection => outcome,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(address = %peer.address, %error, "connection");
    }
}

/// Bounds for both versions of HTTP. Not `pipeline_flush`: it takes a body whole into memory before it sends the first
/// byte, be it a list of 58 MB or a log without an end for a client that does not read.
fn set_limits(builder: &mut auto::Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADER_BYTES);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What the server may hold of an answer that nobody reads, in bytes: hyper's buffer and what is on the way.
    const MOST_HELD: usize = 1 << 20;

    #[tokio::test]
    async fn a_body_is_made_as_fast_as_it_is_read() {
        const PIECE: usize = 64 << 10;
        const PIECES: usize = 256;
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let service = service_fn(move |_: http::Request<hyper::body::Incoming>| {
            let count = count.clone();
            let pieces = (0..PIECES).map(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                Bytes::from(vec![b'x'; PIECE])
            });
            async move { Ok::<_, Infallible>(http::Response::new(Body::stream(futures::stream::iter(pieces)))) }
        });
        let (mut client, server) = tokio::io::duplex(PIECE);
        let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
        set_limits(&mut builder);
        let served = tokio::spawn(async move { builder.serve_connection(TokioIo::new(server), service).await });
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let (mut read, mut chunk) = (0, vec![0; PIECE]);
        loop {
            let count = client.read(&mut chunk).await.unwrap();
            if count == 0 {
                break;
            }
            read += count;
            let held = (made.load(Ordering::SeqCst) * PIECE).saturating_sub(read);
            assert!(held <= MOST_HELD, "{held} bytes are in memory and {read} read");
        }
        assert!(read > PIECES * PIECE, "{read}");
        served.await.unwrap().unwrap();
    }
}
