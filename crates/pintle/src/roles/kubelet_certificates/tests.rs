//! Certificates over months of a manual clock, against an API server that knows certificate signing requests alone.

use super::files::PairFiles;
use super::manager::Manager;
use super::request::Wanted;
use super::serving::{ServingSetup, serving};
use bytes::Bytes;
use certs::{Authority, Grant};
use client::{Client, Shutdown};
use clock::{Clock, ManualClock, SharedClock};
use futures::StreamExt;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::client::Body;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long the certificates are good that the server grants.
const GRANTED_SECONDS: u64 = 100 * 24 * 3600;

/// An API server: the requests, in the order in which they came.
struct Server {
    authority: Authority,
    clock: Arc<ManualClock>,
    requests: watch::Sender<Vec<Value>>,
}

impl Server {
    fn new() -> Arc<Self> {
        // from now on: TLS verifies by the time of the machine
        let clock = Arc::new(ManualClock::new(clock::system().now()));
        let authority = Authority::create("kubernetes", 10 * 365 * 24 * 3600, clock.now()).unwrap();
        Arc::new(Self { authority, clock, requests: watch::Sender::new(Vec::new()) })
    }

    fn clock(&self) -> SharedClock {
        self.clock.clone()
    }

    fn client(self: &Arc<Self>) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }
        });
        Client::from_service(service, "kubelet/v1").unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<UnsyncBoxBody<Bytes, Failure>>, Failure> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        if parts.method == Method::POST {
            let mut object: Value = serde_json::from_slice(&body.collect().await?.to_bytes())?;
            self.requests.send_modify(|requests| {
                if object["metadata"]["name"].is_null() {
                    object["metadata"]["name"] = format!("csr-{}", requests.len()).into();
                }
                object["metadata"]["resourceVersion"] = "1".into();
                requests.push(object.clone());
            });
            return Ok(json_answer(&object));
        }
        let name = query.split("metadata.name%3D").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let named = move |requests: &Vec<Value>| requests.iter().find(|r| r["metadata"]["name"] == *name).cloned();
        if !query.contains("watch=true") {
            let items: Vec<Value> = named(&self.requests.borrow()).into_iter().collect();
            return Ok(json_answer(&json!({"metadata": {"resourceVersion": "1"}, "items": items})));
        }
        // each change of any request shows the asked one again
        let changes = futures::stream::unfold(self.requests.subscribe(), |mut requests| async {
            requests.changed().await.ok()?;
            let all = requests.borrow_and_update().clone();
            Some((all, requests))
        });
        let events = changes.map(move |all| {
            let event = match named(&all) {
                Some(object) => json!({"type": "MODIFIED", "object": object}),
                None => json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "1"}}}),
            };
            Ok(Frame::data(Bytes::from(format!("{event}\n"))))
        });
        Ok(Response::new(StreamBody::new(events).boxed_unsync()))
    }

    /// Waits until there are so many requests, and returns the newest.
    async fn request(&self, count: usize) -> CertificateSigningRequest {
        let mut requests = self.requests.subscribe();
        let all = requests.wait_for(|requests| requests.len() >= count).await.unwrap();
        assert_eq!(all.len(), count, "it asked too often");
        serde_json::from_value(all[count - 1].clone()).unwrap()
    }

    /// Waits for the request of this number and grants it.
    async fn grant(&self, count: usize) {
        let request = self.request(count).await;
        let grant = Grant { usages: request.spec.usages.clone().unwrap(), validity_seconds: GRANTED_SECONDS };
        let request = String::from_utf8(request.spec.request.0).unwrap();
        let certificate = self.authority.sign_request(&request, &grant, self.clock.now()).unwrap();
        let encoded = serde_json::to_value(k8s_openapi::ByteString(certificate.into_bytes())).unwrap();
        self.change(count, json!({"certificate": encoded}));
    }

    fn change(&self, count: usize, status: Value) {
        self.requests.send_modify(|requests| requests[count - 1]["status"] = status);
    }

    /// Lets time pass, at most so many days, until something is asked for.
    async fn pass(&self, days: u32) {
        let before = self.requests.borrow().len();
        for _ in 0..days * 24 {
            while self.clock.sleepers() == 0 && self.requests.borrow().len() == before {
                tokio::task::yield_now().await;
            }
            if self.requests.borrow().len() > before {
                return;
            }
            self.clock.advance(DAY / 24);
        }
        self.settle().await;
    }

    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

fn json_answer(body: &Value) -> Response<UnsyncBoxBody<Bytes, Failure>> {
    Response::new(Full::new(Bytes::from(body.to_string())).map_err(|never| match never {}).boxed_unsync())
}

/// A manager of the client's certificate; what it installs comes out of the channel.
fn manage(server: &Arc<Server>, directory: &Path, jitter: f64) -> (watch::Receiver<u32>, Shutdown) {
    let (installed, receiver) = watch::channel(0);
    let manager = Manager {
        files: PairFiles::client(directory.to_owned()),
        wanted: Wanted::client("n1"),
        client: server.client(),
        clock: server.clock(),
        install: Box::new(move |_| {
            installed.send_modify(|count| *count += 1);
            Box::pin(async { Ok(()) })
        }),
    };
    let shutdown = Shutdown::new();
    tokio::spawn(manager.run(move || jitter, shutdown.clone()));
    (receiver, shutdown)
}

#[tokio::test]
async fn a_client_certificate_is_renewed_between_70_and_90_percent_of_its_life() {
    for (jitter, day) in [(0.0, 70), (1.0, 90)] {
        let (server, directory) = (Server::new(), tempfile::tempdir().unwrap());
        let (mut installed, shutdown) = manage(&server, directory.path(), jitter);
        server.grant(1).await;
        installed.wait_for(|count| *count == 1).await.unwrap();
        let files = PairFiles::client(directory.path().to_owned());
        let first = files.read().unwrap();
        server.pass(day - 1).await;
        assert_eq!(server.requests.borrow().len(), 1, "too early");
        server.pass(2).await;
        server.grant(2).await;
        installed.wait_for(|count| *count == 2).await.unwrap();
        let second = files.read().unwrap();
        assert_ne!(first.certificate_pem, second.certificate_pem);
        let info = certs::certificate_info(&second.certificate_pem).unwrap();
        assert_eq!(
            (info.common_name.as_str(), info.organizations),
            ("system:node:n1", vec!["system:nodes".to_owned()])
        );
        shutdown.cancel();
    }
}

#[tokio::test]
async fn a_denial_and_silence_are_followed_by_another_request() {
    let (server, directory) = (Server::new(), tempfile::tempdir().unwrap());
    let (mut installed, shutdown) = manage(&server, directory.path(), 0.5);
    server.request(1).await;
    server.change(1, json!({"conditions": [{"type": "Denied", "status": "True", "reason": "No", "message": "no"}]}));
    server.settle().await;
    server.clock.advance(Duration::from_secs(2));
    server.request(2).await;
    server.settle().await;
    // nobody answers: 15 minutes, then the pause
    server.clock.advance(Duration::from_secs(15 * 60));
    server.settle().await;
    server.clock.advance(Duration::from_secs(4));
    server.grant(3).await;
    installed.wait_for(|count| *count == 1).await.unwrap();
    shutdown.cancel();
}

/// What a server with this configuration shows to a client that trusts the cluster's authority.
async fn shown(config: Arc<rustls::ServerConfig>, server: &Server) -> Result<Vec<String>, String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { tokio_rustls::TlsAcceptor::from(config).accept(far).await.map(drop) });
    let tls = certs::client_config(server.authority.certificate_pem(), None, &[]).unwrap();
    let name = ServerName::try_from("10.0.0.7").unwrap();
    let stream = tokio_rustls::TlsConnector::from(tls).connect(name, near).await.map_err(|error| error.to_string())?;
    let peer = stream.get_ref().1.peer_certificates().unwrap();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(&peer[0])
    });
    Ok(certs::certificate_info(&pem).unwrap().alt_names)
}

#[tokio::test]
async fn a_server_has_no_certificate_until_one_is_granted_and_keeps_it_over_a_restart() {
    let (server, directory) = (Server::new(), tempfile::tempdir().unwrap());
    let config = kubelet::Config {
        node_name: "n1".to_owned(),
        node_ips: vec!["10.0.0.7".parse().unwrap()],
        ..kubelet::Config::default()
    };
    let start = |config: &kubelet::Config, shutdown: &Shutdown| {
        let setup = ServingSetup { directory: directory.path().to_owned(), files: None, bootstrap: true };
        let serving = serving(setup, config, Some(&server.client()), &server.clock(), shutdown).unwrap();
        certs::changing_server_config(&serving, certs::ClientAuth::None, &[]).unwrap()
    };
    let first = Shutdown::new();
    let tls = start(&config, &first);
    let request = server.request(1).await;
    assert_eq!(request.spec.signer_name, "kubernetes.io/kubelet-serving");
    assert_eq!(request.spec.usages.unwrap(), ["digital signature", "server auth"]);
    assert!(shown(tls.clone(), &server).await.is_err(), "nobody has signed anything");
    server.grant(1).await;
    while shown(tls.clone(), &server).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(shown(tls, &server).await.unwrap(), ["n1", "10.0.0.7"]);
    first.cancel();
    let second = Shutdown::new();
    let tls = start(&config, &second);
    assert!(shown(tls, &server).await.is_ok());
    server.pass(60).await;
    assert_eq!(server.requests.borrow().len(), 1, "the one that is there is good");
    second.cancel();
    // another address: another certificate
    let moved = kubelet::Config { node_ips: vec!["10.0.0.8".parse().unwrap()], ..config };
    let third = Shutdown::new();
    start(&moved, &third);
    server.request(2).await;
    third.cancel();
}

#[tokio::test]
async fn without_the_cluster_a_server_signs_for_itself_and_keeps_what_it_signed() {
    let directory = tempfile::tempdir().unwrap();
    let (server, shutdown) = (Server::new(), Shutdown::new());
    let config = kubelet::Config { node_name: "n1".to_owned(), ..kubelet::Config::default() };
    let setup = || ServingSetup { directory: directory.path().to_owned(), files: None, bootstrap: true };
    serving(setup(), &config, None, &server.clock(), &shutdown).unwrap();
    let written = std::fs::read_to_string(directory.path().join("kubelet.crt")).unwrap();
    serving(setup(), &config, None, &server.clock(), &shutdown).unwrap();
    assert_eq!(std::fs::read_to_string(directory.path().join("kubelet.crt")).unwrap(), written);
    let files = Some((directory.path().join("mine.crt"), directory.path().join("mine.key")));
    let missing = ServingSetup { files, ..setup() };
    assert!(serving(missing, &config, None, &server.clock(), &shutdown).is_err(), "files of others are not made");
}
