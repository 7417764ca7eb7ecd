//! Documents over HTTP: how long they may be kept, and what `/metrics` counts.

mod harness;

use apiserver::Body;
use harness::{JSON, admin, call, send, start, text};
use http::{Method, Response};
use serde_json::json;

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_is_kept_as_long_as_its_hash_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let (_, index) = send(&admin, Method::GET, "/openapi/v3", JSON, "").await;
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    let response = call(&admin, Method::GET, url, JSON, "").await;
    assert_eq!((response.status().as_u16(), header(&response, "cache-control")), (200, "public, immutable"));
    assert!(header(&response, "expires").ends_with(" GMT"), "{}", header(&response, "expires"));
    let (path, _) = url.split_once('?').unwrap();
    let response = call(&admin, Method::GET, path, JSON, "").await;
    assert_eq!((response.status().as_u16(), header(&response, "cache-control")), (200, "no-cache, private"));
    let response = call(&admin, Method::GET, &format!("{path}?hash=0F"), JSON, "").await;
    assert_eq!((response.status().as_u16(), header(&response, "location")), (301, url));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_requests_and_objects() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let secrets = "/api/v1/namespaces/default/secrets";
    for name in ["a", "b"] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}).to_string();
        assert_eq!(send(&admin, Method::POST, secrets, JSON, secret).await.0, 201);
    }
    let metrics = text(call(&admin, Method::GET, "/metrics", JSON, "").await).await;
    let labels = r#"component="apiserver",dry_run="",group="",resource="secrets",scope="resource",subresource="",verb="POST",version="v1""#;
    for line in [
        format!("apiserver_request_total{{code=\"201\",{labels}}} 2"),
        format!("apiserver_request_duration_seconds_count{{{labels}}} 2"),
        "apiserver_storage_objects{resource=\"secrets\"} 2".to_owned(),
    ] {
        assert!(metrics.lines().any(|is| is == line), "{line}");
    }
    server.shutdown().await;
}
