//! Listening: TLS, one task per connection, HTTP/1.1 (upgrades need it).

use super::answer::Answer;
use super::{PodAccess, ServerConfig, authorize, route};
use certs::{CertError, ClientAuth};
use clock::SharedClock;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections at a time: each pod may have a few logs, execs and forwards open; beyond this callers wait.
const MAX_CONNECTIONS: usize = 4096;
/// A peer that does not finish its TLS handshake is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Rest after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be bound.
    #[error("listening on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The certificate, key or client authority is unusable.
    #[error(transparent)]
    Certificate(#[from] CertError),
}

/// A server that listens and does not yet answer.
#[derive(Debug)]
pub struct BoundServer {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: Tls,
    config: Arc<ServerConfig>,
}

#[derive(Clone)]
struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

/// What every request needs.
#[derive(Clone)]
pub(super) struct Context {
    pub access: Arc<dyn PodAccess>,
    pub clock: SharedClock,
    pub config: Arc<ServerConfig>,
    pub shutdown: CancellationToken,
}

/// Binds the address, so that the node can report its port before the first request.
///
/// # Errors
/// [`ServerError`]
pub async fn bind(config: ServerConfig) -> Result<BoundServer, ServerError> {
    let auth = ClientAuth::Optional(&config.client_ca_pem);
    let tls = certs::changing_server_config(&config.serving, auth, &[b"http/1.1"])?;
    let listen = |source| ServerError::Listen { address: config.address, source };
    let listener = TcpListener::bind(config.address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    Ok(BoundServer { listener, address, acceptor: Tls(TlsAcceptor::from(tls)), config: Arc::new(config) })
}

impl BoundServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`; open streams are cut then.
    pub async fn run(self, access: Arc<dyn PodAccess>, clock: SharedClock, shutdown: CancellationToken) {
        let context = Context { access, clock, config: self.config, shutdown: shutdown.clone() };
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = shutdown.cancelled() => return,
                next = next => next,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    context.clock.sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            let (acceptor, context) = (self.acceptor.clone(), context.clone());
            tokio::spawn(async move {
                let _place = place;
                let shutdown = context.shutdown.clone();
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = connection(stream, acceptor, context) => {}
                }
            });
        }
    }
}

async fn connection(stream: TcpStream, acceptor: Tls, context: Context) {
    // Key strokes are small and urgent; a failure to say so costs only time.
    let _ = stream.set_nodelay(true);
    let handshake = acceptor.0.accept(stream);
    let stream = match clock::timeout(&*context.clock, HANDSHAKE_TIMEOUT, handshake).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        None => return,
    };
    let peer = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let peer = peer.and_then(|der| certs::peer_identity(der).ok().flatten());
    let service = service_fn(move |request: Request<Incoming>| {
        let (context, peer) = (context.clone(), peer.clone());
        async move { Ok::<Answer, Infallible>(serve(context, peer, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

async fn serve(context: Context, peer: Option<certs::PeerIdentity>, request: Request<Incoming>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match authorize::check(&context.config, peer, request.headers(), &method, &path).await {
        Ok(()) => route::route(context, request).await,
        Err(refusal) => refusal.into(),
    }
}
