//! Requests per second against a server in this process, over plain HTTP on loopback: `load DIR`.
//! A first look at the figures of DESIGN section 6; `cargo xtask bench` is the measurement that counts.

use apiserver::security::{DEFAULT_ISSUER, SecurityConfig};
use apiserver::{Config, Server, StaticTokens};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

type Http = Client<HttpConnector, Full<Bytes>>;

async fn send(client: &Http, method: &str, url: &str, body: String) -> (u16, usize) {
    let request = http::Request::builder().method(method).uri(url).header("authorization", "Bearer admin");
    let request = request.header("content-type", "application/json").body(Full::new(Bytes::from(body)));
    let response = client.request(request.expect("a valid request")).await.expect("an answer");
    let code = response.status().as_u16();
    (code, response.into_body().collect().await.expect("a whole body").to_bytes().len())
}

/// Runs `count` requests on `connections` connections; `make` gives method, URL and body of the n-th.
async fn run(
    what: &str,
    connections: usize,
    count: usize,
    make: impl Fn(usize) -> (&'static str, String, String) + Send + Sync + 'static,
) {
    let (next, make, clock) = (Arc::new(AtomicUsize::new(0)), Arc::new(make), clock::system());
    let started = clock.monotonic();
    let workers = (0..connections).map(|_| {
        let (next, make) = (next.clone(), make.clone());
        tokio::spawn(async move {
            let client: Http = Client::builder(TokioExecutor::new()).build_http();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let (method, url, body) = make(number);
                let (code, _) = send(&client, method, &url, body).await;
                assert!(code < 300, "{method} {url}: {code}");
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no request fails");
    }
    let took = clock.monotonic() - started;
    println!("{what}, {connections} connections: {:.0}/s", count as f64 / took.as_secs_f64());
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("usage: load DIR")?);
    std::fs::create_dir_all(&directory)?;
    let clock = clock::system();
    let authority = certs::Authority::create("load", 86_400, clock.now())?;
    let signer = certs::TokenSigner::from_pem(&authority.key_pem())?;
    let mut static_tokens = StaticTokens::default();
    static_tokens.add_administrator("admin");
    let server = Server::start(Config {
        store: Arc::new(store::Embedded::open(&directory.join("state.db"), clock::system())?),
        clock: clock.clone(),
        bind: ([127, 0, 0, 1], 0).into(),
        listeners: Vec::new(),
        tls: None,
        chain: apiserver::security::chain(SecurityConfig {
            clock: clock.clone(),
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
        bootstrap: true,
    })
    .await?;
    let base = format!("http://{}/api/v1/namespaces/default", server.address());
    let client: Http = Client::builder(TokioExecutor::new()).build_http();
    send(&client, "POST", &format!("{base}/serviceaccounts"), r#"{"metadata":{"name":"default"}}"#.to_owned()).await;
    let pod = |name: String| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","labels":{{"app":"load"}}}},"spec":{{"containers":[{{"name":"c","image":"nginx"}}]}}}}"#
        )
    };
    let url = format!("{base}/pods");
    let to = url.clone();
    run("POST pods", 1, 1000, move |n| ("POST", to.clone(), pod(format!("a{n}")))).await;
    let to = url.clone();
    run("POST pods", 64, 8000, move |n| ("POST", to.clone(), pod(format!("b{n}")))).await;
    let to = url.clone();
    run("GET one pod", 16, 30_000, move |n| ("GET", format!("{to}/b{}", n % 8000), String::new())).await;
    let started = clock.monotonic();
    let (_, bytes) = send(&client, "GET", &url, String::new()).await;
    println!("LIST 9,000 pods, {bytes} bytes: {:?}", clock.monotonic() - started);
    server.shutdown().await;
    Ok(())
}
