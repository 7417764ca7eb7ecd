//! Opening connections: TLS with the server's client certificate to kubelets, plain or TLS without one to pods.

use super::plan::Scheme;
use certs::{CertError, ShownCertificate};
use clock::Clock;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// An open connection.
pub(super) type Connection = Pin<Box<dyn Stream>>;

/// How the server reaches kubelets: it trusts their authority and shows its own certificate.
#[derive(Clone, Debug)]
pub struct KubeletClient {
    tls: Arc<ClientConfig>,
}

impl KubeletClient {
    /// `--kubelet-client-certificate` and `--kubelet-client-key` are what is `shown`; connections opened later show what it
    /// is replaced by. Without an authority (`--kubelet-certificate-authority`, PEM) kubelets' serving certificates are not
    /// verified, as upstream has it, since a kubelet may have signed its own.
    ///
    /// # Errors
    /// [`CertError`] for texts that are not certificates or keys.
    pub fn new(ca_pem: Option<&str>, shown: &ShownCertificate) -> Result<Self, CertError> {
        // Upgrades need HTTP/1.1; the kubelet offers nothing else to us.
        Ok(Self { tls: certs::changing_client_config(ca_pem, shown, &[b"http/1.1"])? })
    }

    pub(super) async fn dial(&self, clock: &dyn Clock, address: &str) -> Result<Connection, DialError> {
        dial_tls(clock, self.tls.clone(), address).await
    }
}

/// To a pod, without any credentials of the server's.
pub(super) async fn dial_pod(clock: &dyn Clock, scheme: Scheme, address: &str) -> Result<Connection, DialError> {
    match scheme {
        Scheme::Http => Ok(Box::pin(connect(clock, address).await?)),
        Scheme::Https => {
            let tls = certs::unverified_client_config(None, &[b"http/1.1"]).map_err(DialError::Config)?;
            dial_tls(clock, tls, address).await
        }
    }
}

async fn dial_tls(clock: &dyn Clock, tls: Arc<ClientConfig>, address: &str) -> Result<Connection, DialError> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    dial_named(clock, tls, address, host.trim_matches(['[', ']'])).await
}

/// To whoever has a certificate of this name.
pub(super) async fn dial_named(
    clock: &dyn Clock,
    tls: Arc<ClientConfig>,
    address: &str,
    name: &str,
) -> Result<Connection, DialError> {
    let name = ServerName::try_from(name.to_owned())?;
    let stream = connect(clock, address).await?;
    let handshake = clock::timeout(clock, DIAL_TIMEOUT, TlsConnector::from(tls).connect(name, stream)).await;
    let stream = handshake.ok_or(DialError::Handshake)?.map_err(DialError::Tls)?;
    Ok(Box::pin(stream))
}

async fn connect(clock: &dyn Clock, address: &str) -> Result<TcpStream, DialError> {
    let failed = |source| DialError::Connect { address: address.to_owned(), source };
    let connected = clock::timeout(clock, DIAL_TIMEOUT, TcpStream::connect(address)).await;
    let stream = connected.ok_or_else(|| failed(ErrorKind::TimedOut.into()))?.map_err(failed)?;
    // Key strokes are small and urgent.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// How long connecting may take, and a handshake (Go's `DefaultTransport` gives the first 30 s).
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no connection, in the words of Go's `net`: people search for them.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("dial tcp {address}: {}", words(source))]
    Connect {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("net/http: TLS handshake timeout")]
    Handshake,
    #[error("tls: {0}")]
    Tls(#[source] std::io::Error),
    #[error("tls: {0}")]
    Config(#[source] CertError),
    #[error(transparent)]
    Name(#[from] rustls_pki_types::InvalidDnsNameError),
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => error.to_string(),
    }
}
