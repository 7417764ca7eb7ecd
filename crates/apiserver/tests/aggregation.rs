//! API services that somebody else serves: their condition, what is passed on and as whom, and discovery.

mod harness;

use apiserver::{FrontProxy, InProcess, Server, UserInfo};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use harness::{JSON, PATIENCE, admin, call, config, send, text};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const GROUP_VERSION: &str = "/apis/wardle.example.com/v1alpha1";

fn issue(name: &str, usage: certs::Usage) -> certs::Issue {
    certs::Issue {
        common_name: name.to_owned(),
        organization: None,
        alt_names: vec![name.to_owned()],
        usage,
        validity_seconds: 86_400,
    }
}

/// A server of that group-version on loopback, which says what it was asked and who showed a certificate.
async fn backend(front_proxies: &certs::Authority) -> (u16, String) {
    let authority = certs::Authority::create("backends", 86_400, clock::system().now()).unwrap();
    let pair = authority.issue(&issue("api.default.svc", certs::Usage::Server), clock::system().now()).unwrap();
    let trusted = certs::ClientAuth::Optional(front_proxies.certificate_pem());
    let tls = TlsAcceptor::from(certs::server_config(&pair, trusted, &[b"http/1.1"]).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = tls.accept(stream).await else { continue };
            let is_proven = stream.get_ref().1.peer_certificates().is_some_and(|shown| !shown.is_empty());
            let service = service_fn(move |request: Request<hyper::body::Incoming>| async move {
                let (code, body) = answer(&request, is_proven);
                let response = Response::builder().status(code).header("content-type", JSON);
                Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body.to_string()))).unwrap())
            });
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    (port, STANDARD.encode(authority.certificate_pem()))
}

fn answer(request: &Request<hyper::body::Incoming>, is_proven: bool) -> (u16, Value) {
    if request.uri().path() == "/apis" {
        return (404, Value::Null);
    }
    if request.uri().path() == GROUP_VERSION {
        let flunders = json!({"name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder",
            "verbs": ["get"], "shortNames": ["fl"]});
        let status = json!({"name": "flunders/status", "singularName": "", "namespaced": true, "kind": "Flunder",
            "verbs": ["get"]});
        return (
            200,
            json!({"kind": "APIResourceList", "groupVersion": "wardle.example.com/v1alpha1",
            "resources": [flunders, status]}),
        );
    }
    let of = |name: &str| -> Vec<String> {
        request.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    (
        418,
        json!({"proven": is_proven, "path": request.uri().to_string(), "method": request.method().as_str(),
        "user": of("x-remote-user"), "groups": of("x-remote-group"), "authorization": of("authorization")}),
    )
}

/// The condition of the API service once it has this reason.
async fn condition(admin: &InProcess, reason: &str) -> Value {
    let clock = clock::system();
    let path = format!("{SERVICES}/v1alpha1.wardle.example.com");
    let mut last = Value::Null;
    let asked = async {
        loop {
            last = send(admin, Method::GET, &path, JSON, "").await.1["status"]["conditions"][0].clone();
            if last["reason"] == reason {
                return;
            }
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    let found = clock::timeout(&*clock, PATIENCE, asked).await;
    assert!(found.is_some(), "no {reason}: {last}");
    last
}

async fn make(admin: &InProcess, path: &str, object: Value) {
    let (code, answer) = send(admin, Method::POST, path, JSON, object.to_string()).await;
    assert_eq!(code, 201, "{answer}");
}

/// The entry of the group in the aggregated document, and the group in the other.
async fn discovered(admin: &InProcess) -> (Value, Value) {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let request = Request::get("/apis").header("accept", accept).body(Full::new(Bytes::new())).unwrap();
    let aggregated: Value = serde_json::from_str(&text(admin.clone().oneshot(request).await.unwrap()).await).unwrap();
    let (_, plain) = send(admin, Method::GET, "/apis", JSON, "").await;
    let find = |list: &Value, path: &str| {
        let mut all = list.as_array().unwrap().iter();
        all.find(|one| *one.pointer(path).unwrap() == "wardle.example.com").cloned().unwrap_or_default()
    };
    (find(&aggregated["items"], "/metadata/name"), find(&plain["groups"], "/name"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_to_whom_an_api_service_names_as_soon_as_they_can() {
    let directory = tempfile::tempdir().unwrap();
    let proxies = certs::Authority::create("front-proxy-ca", 86_400, clock::system().now()).unwrap();
    let client = proxies.issue(&issue("front-proxy-client", certs::Usage::Client), clock::system().now()).unwrap();
    let store = store::Embedded::open(&directory.path().join("db"), clock::system()).unwrap();
    let mut config = config(Arc::new(store));
    let (authority_pem, clients_authority_pem) = (proxies.certificate_pem().to_owned(), "clients".to_owned());
    config.front_proxy = Some(FrontProxy { client, authority_pem, clients_authority_pem });
    let server = Server::start(config).await.unwrap();
    let admin = admin(&server);
    let (_, map) = send(
        &admin,
        Method::GET,
        "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
        JSON,
        "",
    )
    .await;
    assert_eq!(map["data"]["requestheader-username-headers"], "[\"X-Remote-User\"]");

    let (port, bundle) = backend(&proxies).await;
    let service = |bundle: &str| {
        json!({"metadata": {"name": "v1alpha1.wardle.example.com"}, "spec": {"group": "wardle.example.com",
            "version": "v1alpha1", "groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": bundle,
            "service": {"namespace": "default", "name": "api", "port": port}}})
    };
    make(&admin, SERVICES, service(&bundle)).await;
    let found = condition(&admin, "ServiceNotFound").await;
    assert_eq!(
        (&found["status"], &found["message"]),
        (&"False".into(), &"service/api in \"default\" is not present".into())
    );
    let refused = call(&admin, Method::GET, &format!("{GROUP_VERSION}/flunders"), JSON, "").await;
    assert_eq!(refused.status().as_u16(), 503);
    assert_eq!(text(refused).await, "service unavailable\n");
    let (aggregated, plain) = discovered(&admin).await;
    assert_eq!(aggregated["versions"], json!([{"version": "v1alpha1", "freshness": "Stale"}]));
    let version = json!({"groupVersion": "wardle.example.com/v1alpha1", "version": "v1alpha1"});
    assert_eq!(plain, json!({"name": "wardle.example.com", "versions": [version], "preferredVersion": version}));

    // an address of the cluster's, with another port and with nobody behind it
    let ports = |port: u16| json!([{"name": "https", "port": port}]);
    let path = "/api/v1/namespaces/default/services";
    make(&admin, path, json!({"metadata": {"name": "api"}, "spec": {"ports": ports(1)}})).await;
    let found = condition(&admin, "ServicePortError").await;
    let message = format!("service/api in \"default\" is not listening on port {port}");
    assert_eq!(found["message"], message);
    let patch = json!({"spec": {"ports": ports(port)}}).to_string();
    send(&admin, Method::PATCH, &format!("{path}/api"), harness::MERGE, patch).await;
    let found = condition(&admin, "EndpointsNotFound").await;
    assert_eq!(found["message"], "cannot find endpointslices for service/api in \"default\"");
    let slice = json!({"metadata": {"name": "api", "labels": {"kubernetes.io/service-name": "api"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": false}}], "ports": [{"name": "https", "port": port}]});
    make(&admin, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice).await;
    let found = condition(&admin, "MissingEndpoints").await;
    let message = "endpointslices for service/api in \"default\" have no addresses with port name \"https\"";
    assert_eq!(found["message"], message);

    // elsewhere, where somebody is
    let external = json!({"spec": {"type": "ExternalName", "externalName": "localhost", "clusterIP": null,
        "clusterIPs": null, "ipFamilies": null, "ipFamilyPolicy": null}});
    let (code, answer) =
        send(&admin, Method::PATCH, &format!("{path}/api"), harness::MERGE, external.to_string()).await;
    assert_eq!(code, 200, "{answer}");
    let found = condition(&admin, "Passed").await;
    assert_eq!((&found["status"], &found["message"]), (&"True".into(), &"all checks passed".into()));
    let asked = json!({"a": 1}).to_string();
    let target = format!("{GROUP_VERSION}/namespaces/default/flunders?x=%20y");
    let (code, seen) = send(&admin, Method::POST, &target, JSON, asked).await;
    assert_eq!(
        (code, &seen["proven"], &seen["method"], &seen["path"]),
        (418, &true.into(), &"POST".into(), &target.into())
    );
    assert_eq!(
        (&seen["user"], &seen["groups"]),
        (&json!(["admin"]), &json!(["system:masters", "system:authenticated"]))
    );
    // who may not here may not there
    let jane = server.service(UserInfo::new("jane", &[]));
    assert_eq!(send(&jane, Method::GET, &format!("{GROUP_VERSION}/flunders"), JSON, "").await.0, 403);
    let offered = async {
        while discovered(&admin).await.0["versions"][0]["freshness"] != "Current" {
            clock::system().sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(&*clock::system(), PATIENCE, offered).await.expect("it is offered");
    let resource = discovered(&admin).await.0["versions"][0]["resources"][0].clone();
    assert_eq!(
        (&resource["resource"], &resource["shortNames"], &resource["subresources"][0]["subresource"]),
        (&"flunders".into(), &json!(["fl"]), &"status".into())
    );

    // whom we do not believe
    let (_, mut object) = send(&admin, Method::GET, &format!("{SERVICES}/v1alpha1.wardle.example.com"), JSON, "").await;
    object["spec"]["caBundle"] = STANDARD.encode(proxies.certificate_pem()).into();
    let (code, answer) =
        send(&admin, Method::PUT, &format!("{SERVICES}/v1alpha1.wardle.example.com"), JSON, object.to_string()).await;
    assert_eq!(code, 200, "{answer}");
    let found = condition(&admin, "FailedDiscoveryCheck").await;
    let url = format!("https://localhost:{port}{GROUP_VERSION}");
    let message = found["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("failing or missing response from {url}: Get \"{url}\": tls: ")), "{message}");

    send(&admin, Method::DELETE, &format!("{SERVICES}/v1alpha1.wardle.example.com"), JSON, "").await;
    harness::until(&admin, Method::GET, &format!("{GROUP_VERSION}/flunders"), "", 404).await;
    let gone = async {
        while discovered(&admin).await != (Value::Null, Value::Null) {
            clock::system().sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(&*clock::system(), PATIENCE, gone).await.expect("it is no longer offered");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_have_api_services() {
    let directory = tempfile::tempdir().unwrap();
    let server = harness::start(&directory).await;
    let admin = admin(&server);
    let version = |name: &str, stored: bool| json!({"name": name, "served": true, "storage": stored, "schema": {"openAPIV3Schema": {"type": "object"}}});
    let definition = json!({"metadata": {"name": "foos.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "foos", "kind": "Foo"}, "versions": [version("v1", true), version("v2", false)]}});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    make(&admin, definitions, definition).await;
    for name in ["v1.example.com", "v2.example.com"] {
        harness::until(&admin, Method::GET, &format!("{SERVICES}/{name}"), "", 200).await;
    }
    let path = format!("{SERVICES}/v2.example.com");
    let (_, object) = send(&admin, Method::GET, &path, JSON, "").await;
    assert_eq!(object["metadata"]["labels"], json!({"kube-aggregator.kubernetes.io/automanaged": "true"}));
    assert_eq!(
        object["spec"],
        json!({"group": "example.com", "version": "v2", "groupPriorityMinimum": 1000,
        "versionPriority": 100})
    );
    assert_eq!(object["status"]["conditions"][0]["reason"], "Local");
    // it is made again, and goes when its version does
    send(&admin, Method::DELETE, &path, JSON, "").await;
    harness::until(&admin, Method::GET, &path, "", 200).await;
    let patch = json!({"spec": {"versions": [version("v1", true)]}}).to_string();
    send(&admin, Method::PATCH, &format!("{definitions}/foos.example.com"), harness::MERGE, patch).await;
    harness::until(&admin, Method::GET, &path, "", 404).await;
    assert_eq!(send(&admin, Method::GET, &format!("{SERVICES}/v1.example.com"), JSON, "").await.0, 200);
    server.shutdown().await;
}
