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

/// Code, and the first word of the answer.
async fn asked(service: &apiserver::InProcess, method: Method, path: &str) -> String {
    let response = call(service, method, path, JSON, "").await;
    let (code, kind) = (response.status().as_u16(), header(&response, "content-type").to_owned());
    let body = text(response).await;
    let word = match serde_json::from_str::<serde_json::Value>(&body) {
        Ok(object) => object["kind"].as_str().unwrap_or("json").to_owned(),
        Err(_) => body.split([' ', '\n']).next().unwrap_or_default().to_owned(),
    };
    format!("{code} {} {word}", kind.split(';').next().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_services_know_methods_and_all_else_takes_any() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for path in ["/version", "/version/", "/api", "/api/v1", "/apis/apps/v1", "/openid/v1/jwks"] {
            assert_eq!(asked(&admin, method.clone(), path).await, "405 application/json Status", "{method} {path}");
        }
        for path in ["/healthz", "/livez/ping", "/readyz/etcd-readiness"] {
            assert_eq!(asked(&admin, method.clone(), path).await, "200 text/plain ok", "{method} {path}");
        }
        for (path, kind) in
            [("/apis", "APIGroupList"), ("/apis/apps", "APIGroup"), ("/", "json"), ("/openapi/v2", "json")]
        {
            assert_eq!(
                asked(&admin, method.clone(), path).await,
                format!("200 application/json {kind}"),
                "{method} {path}"
            );
        }
        assert_eq!(asked(&admin, method.clone(), "/openapi/v3").await, "200 text/plain json");
        let metrics = if method == Method::DELETE { "200 text/plain metrics" } else { "200 text/plain #" };
        assert_eq!(asked(&admin, method.clone(), "/metrics").await, metrics);
        assert_eq!(asked(&admin, method, "/nothing").await, "404 text/plain 404");
    }
    for path in ["/api/v2", "/apis/apps/v9", "/version/more"] {
        assert_eq!(asked(&admin, Method::GET, path).await, "404 application/json Status", "{path}");
    }
    assert_eq!(asked(&admin, Method::GET, "/apis/none.example.com/v1").await, "404 text/plain 404");
    assert_eq!(asked(&admin, Method::GET, "/openapi/v3/apis/none/v1").await, "404  ");
    for (path, want) in [
        ("/version", "405 application/json "),
        ("/api/v1/nodes", "405 application/json "),
        ("/healthz", "200 text/plain "),
    ] {
        assert_eq!(asked(&admin, Method::HEAD, path).await, want, "{path}");
    }
    // what was counted is forgotten
    call(&admin, Method::DELETE, "/metrics", JSON, "").await;
    let metrics = text(call(&admin, Method::GET, "/metrics", JSON, "").await).await;
    assert!(!metrics.contains("resource=\"nodes\",scope"), "counts before the reset");
    server.shutdown().await;
}
