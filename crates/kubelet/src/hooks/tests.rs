//! Probes over the network against small servers of our own.

use super::endpoint::Endpoint;
use super::{HandlerError, Purpose, grpc, http_get, tcp};
use bytes::Bytes;
use clock::{Clock, ManualClock};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, LifecycleHandler};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use runtime::service::ContainerId;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(1);

fn container() -> Container {
    serde_json::from_value(json!({"name": "c", "ports": [{"name": "web", "containerPort": 8080}]})).unwrap()
}

#[test]
fn ports_by_number_and_by_name() {
    let addresses = ["10.0.0.1".parse().unwrap()];
    let to = |host: Option<&str>, port: IntOrString, addresses: &[std::net::IpAddr]| match Endpoint::new(
        &container(),
        host,
        &port,
        addresses,
    ) {
        Ok(endpoint) => endpoint.to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(to(None, IntOrString::String("web".to_owned()), &addresses), "10.0.0.1:8080");
    assert_eq!(to(None, IntOrString::String("81".to_owned()), &addresses), "10.0.0.1:81");
    assert_eq!(to(Some("example.com"), IntOrString::Int(443), &addresses), "example.com:443");
    assert_eq!(to(Some("[fd00::1]"), IntOrString::Int(1), &[]), "[fd00::1]:1");
    assert_eq!(to(None, IntOrString::String("db".to_owned()), &addresses), "port db not found");
    assert_eq!(to(None, IntOrString::Int(70_000), &addresses), "invalid port number: 70000");
    assert_eq!(to(None, IntOrString::Int(1), &[]), "the pod has no address");
}

/// A web server that answers by path.
async fn web() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| async move {
                let answer = Response::builder();
                let answer = match request.uri().path() {
                    "/ok" => answer.status(200),
                    "/here" => answer.status(302).header("location", "/ok"),
                    "/broken" => answer.status(302).header("location", "/missing"),
                    "/round" => answer.status(307).header("location", "round"),
                    "/away" => answer.status(301).header("location", "http://example.com/"),
                    "/mute" => std::future::pending().await,
                    _ => answer.status(404),
                };
                let agent = request.headers().get("user-agent").cloned().unwrap_or(HeaderValue::from_static("none"));
                Ok::<_, Infallible>(answer.body(Full::new(Bytes::copy_from_slice(agent.as_bytes()))).unwrap())
            });
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(served);
        }
    });
    Endpoint { host: "127.0.0.1".to_owned(), port }
}

fn outcome(result: Result<Option<String>, HandlerError>) -> String {
    match result {
        Ok(warning) => warning.unwrap_or_else(|| "fine".to_owned()),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn pages_and_where_they_lead() {
    let (clock, endpoint) = (clock::system(), web().await);
    let page = async |path: &str| {
        let action = HTTPGetAction { path: Some(path.to_owned()), ..HTTPGetAction::default() };
        outcome(http_get(&action, endpoint.clone(), Purpose::Probe, &*clock, None).await)
    };
    for (path, want) in [
        ("ok", "fine"),
        ("/here", "fine"),
        ("/missing", "HTTP probe failed with statuscode: 404"),
        ("/broken", "HTTP probe failed with statuscode: 404"),
        ("/away", "Probe terminated redirects, Response body: kube-probe/1.36"),
    ] {
        assert_eq!(page(path).await, want, "{path}");
    }
    assert_eq!(page("/round").await, format!("Get \"http://{endpoint}/round\": stopped after 10 redirects"));
}

#[tokio::test]
async fn headers_of_the_probe_win() {
    let (clock, endpoint) = (clock::system(), web().await);
    let action = serde_json::from_value(
        json!({"path": "/away", "port": 1, "httpHeaders": [{"name": "User-Agent", "value": "mine"}]}),
    );
    let answer = outcome(http_get(&action.unwrap(), endpoint, Purpose::Probe, &*clock, None).await);
    assert_eq!(answer, "Probe terminated redirects, Response body: mine");
}

#[tokio::test]
async fn hooks_over_the_network() {
    let world = crate::testing::World::new();
    let endpoint = web().await;
    let (id, addresses) = (ContainerId("c".to_owned()), ["127.0.0.1".parse().unwrap()]);
    let run = async |handler: serde_json::Value| {
        let handler: LifecycleHandler = serde_json::from_value(handler).unwrap();
        let done = super::run(&world.shared, &id, &container(), &handler, &addresses).await;
        done.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let get = |path: &str, port: &serde_json::Value| json!({"httpGet": {"path": path, "port": port}});
    assert_eq!(run(get("/ok", &endpoint.port.into())).await, "");
    assert_eq!(run(get("/missing", &endpoint.port.into())).await, "", "it has answered");
    assert_eq!(run(get("/ok", &"nowhere".into())).await, "port nowhere not found");
    let socket = json!({"tcpSocket": {"port": endpoint.port}});
    assert_eq!(run(socket).await, "invalid handler: neither exec, httpGet nor sleep");
    let sleep = run(json!({"sleep": {"seconds": 2}}));
    assert_eq!(until(&world.clock, sleep).await, "");
    assert_eq!(world.clock.monotonic(), Duration::from_secs(2));
}

/// Lets the manual clock pass until the future is done.
async fn until<T>(clock: &ManualClock, future: impl Future<Output = T>) -> T {
    let passing = async {
        loop {
            tokio::task::yield_now().await;
            if clock.sleepers() > 0 {
                clock.advance(Duration::from_millis(50));
            }
        }
    };
    tokio::select! {
        done = future => done,
        () = passing => unreachable!("it never ends"),
    }
}

#[tokio::test]
async fn silence_and_closed_doors() {
    let clock = ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
    let endpoint = web().await;
    let action = HTTPGetAction { path: Some("/mute".to_owned()), ..HTTPGetAction::default() };
    let mute = http_get(&action, endpoint.clone(), Purpose::Probe, &clock, Some(LIMIT));
    let late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(outcome(until(&clock, mute).await), format!("Get \"http://{endpoint}/mute\": {late}"));
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let closed = Endpoint { host: "127.0.0.1".to_owned(), port };
    let refused = format!("dial tcp {closed}: connect: connection refused");
    assert_eq!(tcp(&closed, &clock, LIMIT).await.unwrap_err().to_string(), refused);
    let get = http_get(&action, closed.clone(), Purpose::Probe, &clock, Some(LIMIT)).await;
    assert_eq!(outcome(get), format!("Get \"http://{closed}/mute\": {refused}"));
    let health = until(&clock, grpc(&closed, "", &clock, LIMIT)).await.unwrap_err().to_string();
    let late = format!("timeout: failed to connect service \"{closed}\" within 1s: context deadline exceeded");
    assert_eq!(health, late);
}

/// A gRPC server whose services are well, unwell, unknown or silent by their names.
async fn health_server() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                let asked = request.into_body().collect().await.unwrap().to_bytes();
                let name = String::from_utf8_lossy(asked.get(7..).unwrap_or_default()).into_owned();
                let (message, code): (&[u8], &str) = match name.as_str() {
                    "" => (&[0, 0, 0, 0, 2, 8, 1], "0"),
                    "unwell" => (&[0, 0, 0, 0, 2, 8, 2], "0"),
                    "silent" => std::future::pending().await,
                    "none" => (&[], "12"),
                    _ => (&[], "5"),
                };
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_str(code).unwrap());
                trailers.insert("grpc-message", HeaderValue::from_static("unknown service"));
                let frames =
                    [Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(message))), Ok(Frame::trailers(trailers))];
                Ok::<_, Infallible>(Response::new(StreamBody::new(futures::stream::iter(frames))))
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    Endpoint { host: "127.0.0.1".to_owned(), port }
}

#[tokio::test]
async fn health_over_grpc() {
    let (clock, endpoint) = (Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH)), health_server().await);
    let ask = async |service: &str| match grpc(&endpoint, service, &*clock, LIMIT).await {
        Ok(()) => "fine".to_owned(),
        Err(error) => error.to_string(),
    };
    for (service, want) in [
        ("", "fine"),
        ("unwell", "service unhealthy (responded with \"NOT_SERVING\")"),
        ("other", "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"),
        (
            "none",
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service",
        ),
    ] {
        assert_eq!(ask(service).await, want, "{service}");
    }
    let silent = until(&clock, ask("silent")).await;
    assert_eq!(silent, "timeout: health rpc did not complete within 1s");
    assert!(clock.monotonic() >= LIMIT);
}
