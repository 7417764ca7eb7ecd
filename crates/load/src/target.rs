//! The server under load: where it is, and what is shown to it. Read off a kubeconfig, so that any Kubernetes will do.

use crate::connection::Connection;
use crate::error::{LoadError, at};
use certs::{Credentials, KeyCertificate, Kubeconfig};
use http::{HeaderName, HeaderValue, header};
use rustls_pki_types::ServerName;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server. Shared as `Arc`.
pub struct Target {
    /// `host:port`
    pub address: String,
    host: String,
    tls: Option<TlsConnector>,
    /// Sent with every request: `Authorization` where a token is used, and whom to act as.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Target {
    /// Reads the current context of a kubeconfig.
    ///
    /// # Errors
    /// The file, its contents, TLS.
    pub fn from_kubeconfig(path: &Path) -> Result<Arc<Self>, LoadError> {
        let text = std::fs::read(path).map_err(at(path))?;
        let decoded = api::codec::decode_any(&text).map_err(|error| LoadError::Text(error.to_string()))?;
        Self::new(&Kubeconfig::from_value(&decoded.value)?)
    }

    /// From a kubeconfig in memory.
    ///
    /// # Errors
    /// Its contents, TLS.
    pub fn new(config: &Kubeconfig) -> Result<Arc<Self>, LoadError> {
        let (scheme, rest) = config.server.split_once("://").unwrap_or(("https", &config.server));
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, if scheme == "http" { "80" } else { "443" }),
        };
        let token = match &config.credentials {
            Credentials::Token(token) => Some(token),
            _ => None,
        };
        let authorization = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}"))).transpose();
        let authorization = authorization.map_err(|error| LoadError::Text(error.to_string()))?;
        Ok(Arc::new(Self {
            address: format!("{host}:{port}"),
            host: host.trim_matches(['[', ']']).to_owned(),
            tls: if scheme == "http" { None } else { Some(connector(config)?) },
            headers: authorization.map(|value| (header::AUTHORIZATION, value)).into_iter().collect(),
        }))
    }

    /// The same server for another user, by impersonation.
    ///
    /// # Errors
    /// The names cannot stand in a header.
    pub fn acting_as(&self, user: &str, groups: &[&str]) -> Result<Arc<Self>, LoadError> {
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| LoadError::Text(error.to_string()));
        let mut headers = self.headers.clone();
        headers.push((HeaderName::from_static("impersonate-user"), value(user)?));
        for group in groups {
            headers.push((HeaderName::from_static("impersonate-group"), value(group)?));
        }
        Ok(Arc::new(Self { address: self.address.clone(), host: self.host.clone(), tls: self.tls.clone(), headers }))
    }

    /// A connection of its own: TCP, TLS, HTTP/1.1.
    ///
    /// # Errors
    /// No connection.
    pub async fn connect(self: &Arc<Self>) -> Result<Connection, LoadError> {
        let failed = |source| LoadError::Connect { address: self.address.clone(), source };
        let stream = TcpStream::connect(&self.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let Some(tls) = &self.tls else { return Connection::open(self.clone(), stream).await };
        let name = ServerName::try_from(self.host.clone()).map_err(|error| LoadError::Text(error.to_string()))?;
        Connection::open(self.clone(), tls.connect(name, stream).await.map_err(failed)?).await
    }
}

fn connector(config: &Kubeconfig) -> Result<TlsConnector, LoadError> {
    let pair = match &config.credentials {
        Credentials::Certificate(pair) => Some(pair.clone()),
        Credentials::CertificateFiles { certificate, key } => {
            let read = |path: &str| std::fs::read_to_string(path).map_err(at(Path::new(path)));
            Some(KeyCertificate { certificate_pem: read(certificate)?, key_pem: read(key)? })
        }
        Credentials::Token(_) | Credentials::None => None,
    };
    let authority = config.certificate_authority.as_deref().unwrap_or_default();
    Ok(TlsConnector::from(certs::client_config(authority, pair.as_ref(), &[b"http/1.1"])?))
}
