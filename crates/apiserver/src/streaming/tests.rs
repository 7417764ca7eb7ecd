//! Where connections go, as data.

use super::*;
use crate::authz::fixture::Objects;
use expect_test::{Expect, expect};
use http::Method;
use serde_json::json;

fn reader() -> SharedReader {
    let container = |name: &str| json!({"name": name, "ports": [{"name": "web", "containerPort": 8080}]});
    Objects::new(vec![
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {
            "addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10251}}}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bare"}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "a", "name": "p"},
            "spec": {"containers": [container("c")]}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "a", "name": "q"},
            "spec": {"nodeName": "n1", "initContainers": [container("i")], "containers": [container("c"), container("d")]},
            "status": {"podIP": "10.244.1.5"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "a", "name": "s"},
            "spec": {"ports": [{"name": "web", "port": 80}, {"name": "admin", "port": 81}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "a", "name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
            "ports": [{"name": "web", "port": 8080}],
            "endpoints": [{"addresses": ["10.244.1.9"], "conditions": {"ready": false}},
                {"addresses": ["10.244.1.5"], "targetRef": {"kind": "Pod", "name": "q"}},
                {"addresses": ["10.244.1.6"], "targetRef": {"kind": "Pod", "name": "q"}},
                {"addresses": ["127.0.0.1"]}, {"addresses": ["192.0.2.7"]}]}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "a", "name": "old"},
            "spec": {"ports": [{"port": 80}]}}),
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"namespace": "a", "name": "old"},
            "subsets": [{"addresses": [{"ip": "192.0.2.8"}], "ports": [{"port": 8000}]}]}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "a", "name": "host"},
            "spec": {"nodeName": "gone", "containers": [container("c")]}, "status": {"podIP": "127.0.0.1"}}),
    ])
    .reader()
}

fn check(path: &str, want: Expect) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let info = RequestInfo::new(&Method::GET, path, query);
    let text = match plan::plan(&reader(), &info, 1) {
        Ok(Plan::NoContent) => "no content".to_owned(),
        Ok(Plan::Kubelet { address, target, .. }) => format!("kubelet {address} {target}"),
        Ok(Plan::Pod { scheme, address, target }) => format!("{scheme:?} {address} {target}"),
        Err(status) => format!("{} {}", status.code, status.message),
    };
    want.assert_eq(&text);
}

#[test]
fn logs() {
    check("/api/v1/namespaces/a/pods/p/log", expect!["no content"]);
    check("/api/v1/namespaces/a/pods/absent/log", expect![[r#"404 pods "absent" not found"#]]);
    check("/api/v1/namespaces/a/pods/p/log?container=zz", expect!["400 container zz is not valid for pod p"]);
    check(
        "/api/v1/namespaces/a/pods/q/log",
        expect![
            "400 a container name must be specified for pod q, choose one of: [c d] or one of the init containers: [i]"
        ],
    );
    check(
        "/api/v1/namespaces/a/pods/q/log?container=i&follow=true&tailLines=5&sinceTime=2026-01-01T00:00:00Z",
        expect![
            "kubelet 10.0.0.1:10251 /containerLogs/a/q/i?follow=true&sinceTime=2026-01-01T00%3A00%3A00Z&tailLines=5"
        ],
    );
    check(
        "/api/v1/namespaces/a/pods/p/log?tailLines=-1&limitBytes=0",
        expect![[
            r#"422 PodLogOptions "p" is invalid: [tailLines: Invalid value: -1: must be greater than or equal to 0, limitBytes: Invalid value: 0: must be greater than 0]"#
        ]],
    );
    check("/api/v1/namespaces/a/pods/host/log", expect![[r#"404 nodes "gone" not found"#]]);
}

#[test]
fn streams() {
    check("/api/v1/namespaces/a/pods/p/exec?command=ls", expect!["400 pod p does not have a host assigned"]);
    check("/api/v1/namespaces/a/pods/p/portforward", expect!["400 pod p does not have a host assigned"]);
    check(
        "/api/v1/namespaces/a/pods/q/exec?container=d&command=sh&command=-c&command=a%20%26%20b&stdin=true&stdout=true&tty=true&stderr=false",
        expect!["kubelet 10.0.0.1:10251 /exec/a/q/d?input=1&output=1&tty=1&command=sh&command=-c&command=a%20%26%20b"],
    );
    check(
        "/api/v1/namespaces/a/pods/q/attach?container=c&stdout=1",
        expect!["kubelet 10.0.0.1:10251 /attach/a/q/c?output=1"],
    );
    check(
        "/api/v1/namespaces/a/pods/q/portforward?ports=80,81",
        expect!["kubelet 10.0.0.1:10251 /portForward/a/q?port=80&port=81"],
    );
}

#[test]
fn proxies() {
    check("/api/v1/nodes/n1/proxy/stats/summary?a=b%26c", expect!["kubelet 10.0.0.1:10251 /stats/summary?a=b%26c"]);
    check("/api/v1/nodes/n1:22/proxy/", expect!["400 port 22 of node n1 is not its kubelet's"]);
    check(
        "/api/v1/nodes/bare/proxy",
        expect!["500 Internal error occurred: no preferred addresses found; known addresses: []"],
    );
    check("/api/v1/namespaces/a/pods/q/proxy/proxy/x", expect!["Http 10.244.1.5:8080 /proxy/x"]);
    check("/api/v1/namespaces/a/pods/http:q:web/proxy", expect!["Http 10.244.1.5:8080 /"]);
    check("/api/v1/namespaces/a/pods/https:q:web/proxy/x", expect!["Https 10.244.1.5:8080 /x"]);
    check("/api/v1/namespaces/a/pods/p/proxy", expect!["400 address not allowed"]);
    check("/api/v1/namespaces/a/pods/host/proxy", expect!["400 address not allowed"]);
}

#[test]
fn services_are_reached_at_an_endpoint_that_is_ready_and_its_pods_own() {
    check("/api/v1/namespaces/a/services/s:web/proxy/x", expect!["Http 192.0.2.7:8080 /x"]);
    check("/api/v1/namespaces/a/services/http:s:80/proxy/", expect!["Http 192.0.2.7:8080 /"]);
    check("/api/v1/namespaces/a/services/https:s:80/proxy/", expect!["Https 192.0.2.7:8080 /"]);
    check("/api/v1/namespaces/a/services/old/proxy/", expect!["Http 192.0.2.8:8000 /"]);
    check(
        "/api/v1/namespaces/a/services/s:admin/proxy/",
        expect![[r#"503 no endpoints available for service "s:admin""#]],
    );
    check("/api/v1/namespaces/a/services/s:99/proxy/", expect![[r#"503 no service port 99 found for service "s""#]]);
    check("/api/v1/namespaces/a/services/none/proxy/", expect![[r#"404 services "none" not found"#]]);
    check("/api/v1/namespaces/a/services/ftp:s:1/proxy/", expect![[r#"400 invalid service request "ftp:s:1""#]]);
}

#[test]
fn the_unreachable_is_told_in_the_words_of_each_way_there() {
    let words = |answer: Answer| {
        let status =
            answer.unreachable("10.0.0.1:10250", "/containerLogs/a/q/c", "dial tcp 10.0.0.1:10250: i/o timeout");
        format!("{} {:?} {}", status.code, status.reason, status.message)
    };
    expect![[r#"500 "" error dialing backend: dial tcp 10.0.0.1:10250: i/o timeout"#]]
        .assert_eq(&words(Answer::Stream));
    expect![[r#"503 "ServiceUnavailable" error trying to reach service: dial tcp 10.0.0.1:10250: i/o timeout"#]]
        .assert_eq(&words(Answer::Proxied));
    expect![[r#"500 "" Get "https://10.0.0.1:10250/containerLogs/a/q/c": dial tcp 10.0.0.1:10250: i/o timeout"#]]
        .assert_eq(&words(Answer::TextErrors { pod: "q".to_owned() }));
}

/// A server with a certificate of its own, which nobody knows; it answers one request with the path that it was asked for.
async fn unknown_tls_server() -> String {
    let now = clock::system().now();
    let authority = certs::Authority::create("nobody", 3600, now).unwrap();
    let issue = certs::Issue {
        common_name: "someone-else".to_owned(),
        organization: None,
        alt_names: vec!["elsewhere.example".to_owned()],
        usage: certs::Usage::Server,
        validity_seconds: 3600,
    };
    let pair = authority.issue(&issue, now).unwrap();
    let tls = certs::server_config(&pair, certs::ClientAuth::None, &[b"http/1.1"]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await.unwrap();
        let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
            Ok::<_, std::convert::Infallible>(Response::new(request.uri().path().to_owned()))
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.unwrap();
    });
    address
}

#[tokio::test]
async fn pods_are_reached_over_tls_whatever_their_certificates_say() {
    use http_body_util::BodyExt;
    let address = unknown_tls_server().await;
    let connection = dial::dial_pod(&*clock::system(), plan::Scheme::Https, &address).await.unwrap();
    let body = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
    let response = relay::relay(connection, Request::new(body), &address, "/hello", Answer::Proxied).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "/hello");
}
