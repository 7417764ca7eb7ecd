//! A server in the test's own process, and asking it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use apiserver::security::{DEFAULT_ISSUER, SecurityConfig};
use apiserver::{Body, Config, InProcess, Server, StaticTokens, UserInfo};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// The media type of most bodies.
pub const JSON: &str = "application/json";
/// That of merge patches.
pub const MERGE: &str = "application/merge-patch+json";
/// How long a condition is waited for on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server on an embedded store.
pub async fn start(directory: &tempfile::TempDir) -> Server {
    start_with(directory, Vec::new()).await
}

/// The same with rows beside the built-in ones.
pub async fn start_with(directory: &tempfile::TempDir, rows: Vec<registry::Resource>) -> Server {
    let store = store::Embedded::open(&directory.path().join("db"), clock::system()).unwrap();
    Server::start_with(config(Arc::new(store)), rows).await.unwrap()
}

/// A server of plain HTTP on a free port of loopback.
pub fn config(store: Arc<dyn store::Store>) -> Config {
    config_with(store, StaticTokens::default())
}

/// The same with these tokens.
pub fn config_with(store: Arc<dyn store::Store>, static_tokens: StaticTokens) -> Config {
    let clock = clock::system();
    let authority = certs::Authority::create("test", 86_400, clock.now()).unwrap();
    let signer = certs::TokenSigner::from_pem(&authority.key_pem()).unwrap();
    Config {
        store,
        clock: clock.clone(),
        bind: ([127, 0, 0, 1], 0).into(),
        listeners: Vec::new(),
        tls: None,
        chain: apiserver::security::chain(SecurityConfig {
            clock,
            issuer: DEFAULT_ISSUER.to_owned(),
            audiences: Vec::new(),
            verifier: certs::TokenVerifier::new([signer.jwk().clone()]),
            signer: Arc::new(signer),
            static_tokens,
            anonymous: true,
            kubelet: None,
        }),
        advertise_address: [127, 0, 0, 1].into(),
        service_cluster_ip_range: "10.96.0.0/12".to_owned(),
        event_ttl_seconds: None,
        front_proxy: None,
        bootstrap: true,
    }
}

pub async fn call(
    service: &InProcess,
    method: Method,
    path: &str,
    kind: &str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    service.clone().oneshot(request.body(Full::new(body.into())).unwrap()).await.unwrap()
}

pub async fn text(response: Response<Body>) -> String {
    String::from_utf8_lossy(&response.into_body().collect().await.unwrap().to_bytes()).into_owned()
}

pub async fn send(service: &InProcess, method: Method, path: &str, kind: &str, body: impl Into<Bytes>) -> (u16, Value) {
    let response = call(service, method, path, kind, body).await;
    let code = response.status().as_u16();
    (code, serde_json::from_str(&text(response).await).unwrap_or(Value::Null))
}

/// Asks without a body for an answer in a form.
pub async fn send_accepting(service: &InProcess, method: Method, path: &str, accept: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("accept", accept);
    let response = service.clone().oneshot(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&text(response).await).unwrap_or_default())
}

/// Asks until the answer has the code.
pub async fn until(service: &InProcess, method: Method, path: &str, body: &str, code: u16) {
    let clock = clock::system();
    let asked = async {
        while send(service, method.clone(), path, JSON, body.to_owned()).await.0 != code {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(&*clock, PATIENCE, asked).await.unwrap_or_else(|| panic!("{method} {path} never gave {code}"));
}

pub fn admin(server: &Server) -> InProcess {
    server.service(UserInfo::new("admin", &["system:masters"]))
}

/// The events of a watch.
pub struct Events {
    body: Body,
    /// What has come and is not yet an event.
    bytes: Vec<u8>,
}

impl Events {
    pub fn of(watch: Response<Body>) -> Self {
        Self { body: watch.into_body(), bytes: Vec::new() }
    }

    pub async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let frame = self.body.frame().await.expect("the watch goes on").unwrap();
            self.bytes.extend_from_slice(&frame.into_data().unwrap());
        }
    }
}
