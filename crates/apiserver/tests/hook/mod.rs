//! An HTTPS server on loopback that answers reviews.
#![allow(dead_code, reason = "each test binary uses its own part")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A running server; it ends with the value.
pub struct Hook {
    port: u16,
    authority: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Hook {
    /// `answer` gets path and review and gives the `response` (`uid` is added); `null`: none ever comes.
    pub async fn start(answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Self {
        let now = clock::system().now();
        let authority = certs::Authority::create("hooks", 86_400, now).unwrap();
        let issue = certs::Issue {
            common_name: "hook".to_owned(),
            organization: None,
            alt_names: vec!["127.0.0.1".to_owned()],
            usage: certs::Usage::Server,
            validity_seconds: 86_400,
        };
        let pair = authority.issue(&issue, now).unwrap();
        let tls = certs::server_config(&pair, certs::ClientAuth::None, &[b"http/1.1"]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(serve(listener, TlsAcceptor::from(tls), Arc::new(answer)));
        Self { port, authority: authority.certificate_pem().to_owned(), serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    pub fn ca_bundle(&self) -> String {
        STANDARD.encode(&self.authority)
    }
}

type Answer = dyn Fn(&str, &Value) -> Value + Send + Sync;

async fn serve(listener: TcpListener, tls: TlsAcceptor, answer: Arc<Answer>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, answer) = (tls.clone(), answer.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
                let answer = answer.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let review: Value = serde_json::from_slice(&body).unwrap();
                    let mut response = answer(&path, &review);
                    if response.is_null() {
                        std::future::pending::<()>().await;
                    }
                    if response.is_object() {
                        response["uid"] = review["request"]["uid"].clone();
                    }
                    let kind = review["kind"].clone();
                    let review = json!({"apiVersion": review["apiVersion"], "kind": kind, "response": response});
                    Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(review.to_string()))))
                }
            });
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// A response with a JSON patch.
pub fn patch(operations: &Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string())})
}
