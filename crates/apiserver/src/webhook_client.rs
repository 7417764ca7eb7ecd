//! Asking a webhook, of admission or of conversion: where it is, a TLS connection that trusts its `caBundle`, one POST.

use crate::server::Api;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::Value;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The longest answer, in bytes: an object and a patch of it, in base64.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// How many authorities are kept ready.
const MAX_AUTHORITIES: usize = 64;
/// Where systems keep the authorities that everyone trusts, for webhooks without a `caBundle`.
const SYSTEM_AUTHORITIES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Why a webhook has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{0}")]
    Target(String),
    #[error("Post {url:?}: {why}")]
    Post { url: String, why: String },
    #[error("the server could not find the requested resource")]
    NotFound,
    #[error("an error on the server ({body:?}) has prevented the request from succeeding")]
    Server { body: String },
    #[error("the server responded with the status code {code} but did not return more information")]
    Code { code: u16 },
}

/// Where to and as whom.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    /// `host:port` to connect to.
    address: String,
    /// The name that its certificate must have.
    host: String,
    /// What the request says.
    authority: String,
    path: String,
}

/// Asks webhooks; keeps TLS configurations by authority.
#[derive(Debug, Default)]
pub(crate) struct Client {
    tls: Mutex<HashMap<String, Arc<ClientConfig>>>,
}

impl Client {
    /// Posts a review to the webhook that `config` (a `clientConfig`) names, with this query (`?…`, or nothing) behind its
    /// path; the body of its answer.
    ///
    /// # Errors
    /// [`CallError`]; `timeout_seconds` is for all of it.
    pub(crate) async fn post(
        &self,
        api: &Api,
        config: &Value,
        query: &str,
        timeout_seconds: u64,
        body: Vec<u8>,
    ) -> Result<Bytes, CallError> {
        let target = target(api, config)?;
        let path = format!("{}{query}", target.path);
        let url = format!("https://{}{path}", target.authority);
        let tls = self.tls(config["caBundle"].as_str().unwrap_or_default()).map_err(CallError::Target)?;
        let asking = exchange(&target, &path, tls, body);
        let answered = clock::timeout(&*api.clock, Duration::from_secs(timeout_seconds), asking).await;
        let answered = answered.unwrap_or_else(|| Err("context deadline exceeded".to_owned()));
        let (code, bytes) = answered.map_err(|why| CallError::Post { url, why })?;
        match code {
            200..=299 => Ok(bytes),
            404 => Err(CallError::NotFound),
            500.. => Err(CallError::Server { body: String::from_utf8_lossy(&bytes).trim().to_owned() }),
            code => Err(CallError::Code { code }),
        }
    }

    fn tls(&self, bundle: &str) -> Result<Arc<ClientConfig>, String> {
        let mut known = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.get(bundle) {
            return Ok(config.clone());
        }
        let config = certs::client_config(&authorities(bundle)?, None, &[b"http/1.1"])
            .map_err(|error| format!("unable to load root certificates: {error}"))?;
        if known.len() >= MAX_AUTHORITIES {
            known.clear();
        }
        known.insert(bundle.to_owned(), config.clone());
        Ok(config)
    }
}

/// The certificates of a `caBundle`; those of the system without one.
pub(crate) fn authorities(bundle: &str) -> Result<String, String> {
    if bundle.is_empty() {
        return Ok(SYSTEM_AUTHORITIES.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default());
    }
    let bytes = STANDARD.decode(bundle).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// Go's words for what went wrong with a connection.
fn dialing(address: &str, error: &std::io::Error) -> String {
    let why = match error.kind() {
        ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        ErrorKind::ConnectionReset => "connect: connection reset by peer".to_owned(),
        ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        _ => error.to_string(),
    };
    format!("dial tcp {address}: {why}")
}

async fn exchange(target: &Target, path: &str, tls: Arc<ClientConfig>, body: Vec<u8>) -> Result<(u16, Bytes), String> {
    let name = ServerName::try_from(target.host.clone()).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(&target.address).await.map_err(|error| dialing(&target.address, &error))?;
    stream.set_nodelay(true).map_err(|error| dialing(&target.address, &error))?;
    let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(|error| format!("tls: {error}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = http::Request::post(path)
        .header(http::header::HOST, &target.authority)
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::USER_AGENT, "kube-apiserver-admission")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let asking = async move {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let code = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        Ok::<_, String>((code, body.collect().await.map_err(|error| error.to_string())?.to_bytes()))
    };
    // The connection lives as long as the question.
    tokio::pin!(connection, asking);
    tokio::select! {
        answered = &mut asking => answered,
        ended = &mut connection => match ended {
            // What was sent before the end may be whole.
            Ok(()) => asking.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

fn target(api: &Api, config: &Value) -> Result<Target, CallError> {
    if let Some(url) = config["url"].as_str() {
        return of_url(url);
    }
    let service = &config["service"];
    let text = |name: &str| service[name].as_str().unwrap_or_default();
    let (namespace, name) = (text("namespace"), text("name"));
    let port = service["port"].as_u64().unwrap_or(443);
    let address = resolve(api, namespace, name, port).map_err(CallError::Target)?;
    let host = format!("{name}.{namespace}.svc");
    let path = if text("path").is_empty() { "/".to_owned() } else { text("path").to_owned() };
    Ok(Target { address, authority: format!("{host}:{port}"), host, path })
}

fn of_url(url: &str) -> Result<Target, CallError> {
    let wrong = || CallError::Target(format!("{url:?} is no https URL"));
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(443);
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Ok(Target { address, host, authority: authority.to_string(), path: uri.path().to_owned() })
}

/// A ready endpoint of a service's port.
pub(crate) fn resolve(api: &Api, namespace: &str, name: &str, port: u64) -> Result<String, String> {
    let key = crate::cache::key(namespace, name);
    let service = api.cache.shelf("", "services").get(&key).ok_or_else(|| format!("service {name:?} not found"))?;
    let service = service.shared_value();
    let spec = &service["spec"];
    if spec["type"] == "ExternalName" {
        return Ok(format!("{}:{port}", spec["externalName"].as_str().unwrap_or_default()));
    }
    let mut ports = spec["ports"].as_array().into_iter().flatten();
    let found = ports.find(|one| one["port"].as_u64() == Some(port));
    let found = found.ok_or_else(|| format!("no service port {port} found for service {name:?}"))?;
    let wanted = found["name"].as_str().unwrap_or_default();
    let snapshot = api.cache.snapshot(&api.cache.shelf("discovery.k8s.io", "endpointslices"));
    let slices = snapshot.range(Some(namespace), None);
    let slices = slices.filter(|entry| entry.header.label("kubernetes.io/service-name") == Some(name));
    for slice in slices.map(|entry| entry.value()) {
        let mut ports = slice["ports"].as_array().into_iter().flatten();
        let Some(port) = ports.find(|one| one["name"].as_str().unwrap_or_default() == wanted) else { continue };
        let mut endpoints = slice["endpoints"].as_array().into_iter().flatten();
        // Not said is ready.
        let ready = endpoints.find(|one| one["conditions"]["ready"] != false);
        let address = ready.and_then(|one| one["addresses"][0].as_str());
        if let (Some(address), Some(port)) = (address, port["port"].as_u64()) {
            return Ok(if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") });
        }
    }
    Err(format!("no endpoints available for service {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_somewhere() {
        let target = |url: &str| of_url(url).ok().map(|target| (target.address, target.host, target.path));
        let some = |address: &str, host: &str, path: &str| Some((address.to_owned(), host.to_owned(), path.to_owned()));
        assert_eq!(target("https://a.b/c"), some("a.b:443", "a.b", "/c"));
        assert_eq!(target("https://127.0.0.1:8443"), some("127.0.0.1:8443", "127.0.0.1", "/"));
        assert_eq!(target("https://[::1]:8443/x"), some("[::1]:8443", "::1", "/x"));
        assert_eq!(target("http://a.b/c"), None);
    }
}
