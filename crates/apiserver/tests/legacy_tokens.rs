//! The use of a secret's token, seen from outside: a warning, and the day at the secret.

mod harness;

use apiserver::security::{DEFAULT_ISSUER, SecurityConfig};
use apiserver::{Config, Server, StaticTokens};
use base64::Engine as _;
use harness::{JSON, MERGE, PATIENCE, admin, config, send};
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is answered to a request with this token, head and all.
async fn get(server: &Server, path: &str, token: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_use_is_noted_at_the_secret_once_and_whom_it_surprises_is_warned() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(store::Embedded::open(&directory.path().join("db"), clock::system()).unwrap());
    let clock = clock::system();
    let authority = certs::Authority::create("test", 86_400, clock.now()).unwrap();
    let signer = Arc::new(certs::TokenSigner::from_pem(&authority.key_pem()).unwrap());
    let chain = apiserver::security::chain(SecurityConfig {
        clock: clock.clone(),
        issuer: DEFAULT_ISSUER.to_owned(),
        audiences: Vec::new(),
        verifier: certs::TokenVerifier::new([signer.jwk().clone()]),
        signer: signer.clone(),
        static_tokens: StaticTokens::default(),
        anonymous: true,
        kubelet: None,
    });
    let server = Server::start(Config { chain, ..config(store) }).await.unwrap();
    let admin = admin(&server);
    let space = "/api/v1/namespaces/kube-system";
    let since = format!("{space}/configmaps/kube-apiserver-legacy-service-account-token-tracking");
    harness::until(&admin, Method::GET, &since, "", 200).await;
    let today = clock.now().strftime("%Y-%m-%d").to_string();
    assert_eq!(send(&admin, Method::GET, &since, JSON, "").await.1["data"]["since"], today);
    let accounts = format!("{space}/serviceaccounts");
    let account = json!({"metadata": {"name": "robot"}, "secrets": [{"name": "s"}]}).to_string();
    let (_, account) = send(&admin, Method::POST, &accounts, JSON, account).await;
    let token = signer
        .sign(&json!({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:kube-system:robot",
            "kubernetes.io/serviceaccount/namespace": "kube-system", "kubernetes.io/serviceaccount/secret.name": "s",
            "kubernetes.io/serviceaccount/service-account.name": "robot",
            "kubernetes.io/serviceaccount/service-account.uid": account["metadata"]["uid"]}))
        .unwrap();
    let data = base64::engine::general_purpose::STANDARD.encode(&token);
    let secret = json!({"metadata": {"name": "s", "annotations": {"kubernetes.io/service-account.name": "robot"}},
        "type": "kubernetes.io/service-account-token", "data": {"token": data}});
    let made = send(&admin, Method::POST, &format!("{space}/secrets"), JSON, secret.to_string()).await;
    assert_eq!(made.0, 201, "{}", made.1);
    // the warning comes whatever the answer is
    for (path, code) in [("/version", " 200 "), ("/api/v1/nodes", " 403 ")] {
        let answer = get(&server, path, &token).await;
        assert!(
            answer.contains(code) && answer.contains("warning: 299 - \"Use tokens from the TokenRequest API"),
            "{answer}"
        );
    }
    let one = format!("{space}/secrets/s");
    let labelled = async {
        loop {
            let (_, secret): (u16, Value) = send(&admin, Method::GET, &one, JSON, "").await;
            if !secret["metadata"]["labels"].is_null() {
                return secret;
            }
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    let secret = clock::timeout(&*clock, PATIENCE, labelled).await.expect("a label");
    assert_eq!(secret["metadata"]["labels"], json!({"kubernetes.io/legacy-token-last-used": today}));
    assert!(secret["metadata"]["managedFields"].to_string().contains("\"manager\":\"kube-apiserver\""));
    let mark = json!({"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": today}}}).to_string();
    assert_eq!(send(&admin, Method::PATCH, &one, MERGE, mark).await.0, 200);
    assert!(get(&server, "/version", &token).await.contains(" 401 "));
    server.shutdown().await;
}
