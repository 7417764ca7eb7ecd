//! Opening connections: TLS with the server's client certificate to kubelets, plain to pods.

use api::status::Status;
use certs::{CertError, KeyCertificate};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::pin::Pin;
use std::sync::Arc;
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
    /// `--kubelet-certificate-authority`, `--kubelet-client-certificate` and `--kubelet-client-key`.
    ///
    /// # Errors
    /// [`CertError`] for texts that are not certificates or keys.
    pub fn new(ca_pem: &str, pair: &KeyCertificate) -> Result<Self, CertError> {
        // Upgrades need HTTP/1.1; the kubelet offers nothing else to us.
        Ok(Self { tls: certs::client_config(ca_pem, Some(pair), &[b"http/1.1"])? })
    }

    /// Without `--kubelet-certificate-authority`: kubelets' serving certificates are not verified, as upstream has it,
    /// since a kubelet may have signed its own.
    ///
    /// # Errors
    /// As [`KubeletClient::new`].
    pub fn unverified(pair: &KeyCertificate) -> Result<Self, CertError> {
        Ok(Self { tls: certs::unverified_client_config(Some(pair), &[b"http/1.1"])? })
    }

    pub(super) async fn dial(&self, address: &str) -> Result<Connection, Status> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| dialing(address, error))?;
        let stream = TcpStream::connect(address).await.map_err(|error| dialing(address, error))?;
        // Key strokes are small and urgent.
        stream.set_nodelay(true).map_err(|error| dialing(address, error))?;
        let connector = TlsConnector::from(self.tls.clone());
        let stream = connector.connect(name, stream).await.map_err(|error| dialing(address, error))?;
        Ok(Box::pin(stream))
    }
}

pub(super) async fn dial_plain(address: &str) -> Result<Connection, Status> {
    let stream = TcpStream::connect(address).await.map_err(|error| dialing(address, error))?;
    stream.set_nodelay(true).map_err(|error| dialing(address, error))?;
    Ok(Box::pin(stream))
}

fn dialing(address: &str, error: impl std::fmt::Display) -> Status {
    Status::internal(format!("error dialing backend: dial tcp {address}: {error}"))
}
