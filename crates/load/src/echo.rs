//! A server that does nothing but answer: what the load generator can do at most, over the same TLS and HTTP.

use crate::error::{LoadError, at};
use bytes::Bytes;
use certs::{Authority, Credentials, Issue, Kubeconfig, Usage};
use clock::SharedClock;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// A day, in seconds.
const VALIDITY_SECONDS: u64 = 86_400;

/// Serves `answer_bytes` bytes of JSON for every request, on any port; writes a kubeconfig that leads there. Runs until
/// it is killed.
///
/// # Errors
/// Certificates, the port, the file.
pub async fn run(clock: &SharedClock, kubeconfig: &Path, answer_bytes: usize) -> Result<(), LoadError> {
    let authority = Authority::create("load-echo", VALIDITY_SECONDS, clock.now())?;
    let issue = Issue {
        common_name: "load-echo".to_owned(),
        organization: None,
        alt_names: vec!["127.0.0.1".to_owned()],
        usage: Usage::Server,
        validity_seconds: VALIDITY_SECONDS,
    };
    let pair = authority.issue(&issue, clock.now())?;
    let tls = certs::server_config(&pair, certs::ClientAuth::Optional(authority.certificate_pem()), &[b"http/1.1"])?;
    let failed = |source| LoadError::Connect { address: "127.0.0.1:0".to_owned(), source };
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let config = Kubeconfig {
        cluster: "echo".to_owned(),
        server: format!("https://{address}"),
        certificate_authority: Some(authority.certificate_pem().to_owned()),
        user: "load".to_owned(),
        credentials: Credentials::Token("any".to_owned()),
    };
    std::fs::write(kubeconfig, config.to_yaml()).map_err(at(kubeconfig))?;
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    let answer: Bytes = format!("{{\"filler\":\"{}\"}}", "x".repeat(answer_bytes)).into();
    let answer = Arc::new(answer);
    loop {
        let (stream, _) = listener.accept().await.map_err(failed)?;
        tokio::spawn(serve(stream, acceptor.clone(), answer.clone()));
    }
}

async fn serve(stream: TcpStream, acceptor: tokio_rustls::TlsAcceptor, answer: Arc<Bytes>) {
    let _ = stream.set_nodelay(true); // slower without, not wrong
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request: http::Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            let mut response = http::Response::new(Full::new((*answer).clone()));
            response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
            Ok::<_, Infallible>(response)
        }
    });
    // an error is the client's going away
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
