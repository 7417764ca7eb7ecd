//! A server in this process for tests, and requests to it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use apiserver::security::{DEFAULT_ISSUER, SecurityConfig};
use apiserver::{Body, Config, InProcess, Server, StaticTokens, UserInfo};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

/// A server on an embedded store.
pub async fn start(directory: &tempfile::TempDir) -> Server {
    let clock = clock::system();
    let authority = certs::Authority::create("test", 86_400, clock.now()).unwrap();
    let signer = certs::TokenSigner::from_pem(&authority.key_pem()).unwrap();
    Server::start(Config {
        store: Arc::new(store::Embedded::open(&directory.path().join("db"), clock::system()).unwrap()),
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
            static_tokens: StaticTokens::default(),
            anonymous: true,
            kubelet: None,
        }),
        advertise_address: [127, 0, 0, 1].into(),
        service_cluster_ip_range: "10.96.0.0/12".to_owned(),
        bootstrap: true,
    })
    .await
    .unwrap()
}

/// A request and its answer.
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

/// A request; the code and the JSON of its answer.
pub async fn send(service: &InProcess, method: Method, path: &str, kind: &str, body: impl Into<Bytes>) -> (u16, Value) {
    let response = call(service, method, path, kind, body).await;
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// One who may everything.
pub fn admin(server: &Server) -> InProcess {
    server.service(UserInfo::new("admin", &["system:masters"]))
}

/// The media type of most bodies.
pub const JSON: &str = "application/json";
/// That of merge patches.
pub const MERGE: &str = "application/merge-patch+json";
