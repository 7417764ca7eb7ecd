//! The pipeline through the in-process service: limits, optimistic locking, identities, watches and shutdown.

mod harness;

use apiserver::UserInfo;
use harness::{JSON, MERGE, admin, call, send, start};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_without_a_revision_never_lose_to_each_other_and_stale_puts_do() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let (_, made) = send(&admin, Method::POST, MAPS, JSON, json!({"metadata": {"name": "m"}}).to_string()).await;
    let path = format!("{MAPS}/m");
    // Five at once: a patch gives up after five tries, as upstream's does.
    let patches = (0..5).map(|n| {
        let body = json!({"data": {n.to_string(): "x"}}).to_string();
        send(&admin, Method::PATCH, &path, MERGE, body)
    });
    for (code, body) in futures::future::join_all(patches).await {
        assert_eq!(code, 200, "{body}");
    }
    let (_, now) = send(&admin, Method::GET, &path, JSON, "").await;
    assert_eq!(now["data"].as_object().unwrap().len(), 5);
    let (code, body) = send(&admin, Method::PUT, &path, JSON, made.to_string()).await;
    assert_eq!((code, &body["reason"]), (409, &json!("Conflict")));
    let (code, _) = send(&admin, Method::PUT, &path, JSON, now.to_string()).await;
    assert_eq!(code, 200);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_have_a_limit_and_identities_have_rights() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let large = json!({"metadata": {"name": "large"}, "data": {"x": "x".repeat(3 << 20)}}).to_string();
    let (code, body) = send(&admin, Method::POST, MAPS, JSON, large).await;
    assert_eq!((code, &body["reason"]), (413, &json!("RequestEntityTooLarge")));
    let scheduler = server.service(UserInfo::new("system:kube-scheduler", &[]));
    let (code, _) = send(&scheduler, Method::GET, "/api/v1/pods", JSON, "").await;
    assert_eq!(code, 200);
    let (code, body) = send(&scheduler, Method::GET, "/api/v1/secrets", JSON, "").await;
    assert_eq!((code, &body["reason"]), (403, &json!("Forbidden")));
    let anonymous = server.service(UserInfo::anonymous());
    assert_eq!(send(&anonymous, Method::GET, "/readyz", JSON, "").await.0, 200);
    assert_eq!(send(&anonymous, Method::GET, "/api", JSON, "").await.0, 403);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_get_lines_and_programs_get_less() {
    use tower::ServiceExt;
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let map = json!({"metadata": {"name": "m"}, "data": {"x": "x".repeat(200 << 10)}});
    assert_eq!(send(&admin, Method::POST, MAPS, JSON, map.to_string()).await.0, 201);
    let get = async |path: &str, name: &str, value: &str| {
        let request = http::Request::get(path).header(name, value);
        let request = request.body(http_body_util::Full::new(bytes::Bytes::new())).unwrap();
        let (parts, body) = admin.clone().oneshot(request).await.unwrap().into_parts();
        (parts.headers.get("content-encoding").cloned(), body.collect().await.unwrap().to_bytes())
    };
    for path in [MAPS, "/api/v1", "/api/v1/namespaces/none/configmaps/none"] {
        let (_, text) = get(path, "user-agent", "curl/8.0").await;
        assert!(text.starts_with(b"{\n  \""), "{path}: {:?}", &text[..text.len().min(100)]);
        let (_, text) = get(path, "user-agent", "kubectl/v1.36.2").await;
        assert!(text.starts_with(b"{\""), "{path}: {:?}", &text[..text.len().min(100)]);
    }
    let (encoding, text) = get(MAPS, "accept-encoding", "gzip").await;
    assert_eq!(encoding.unwrap(), "gzip");
    assert!(text.len() < 10 << 10, "{}", text.len());
    let (encoding, _) =
        get(&format!("{MAPS}?limit=0&fieldSelector=metadata.name%3Dnone"), "accept-encoding", "gzip").await;
    assert_eq!(encoding, None, "it would not be worth it");
    server.shutdown().await;
}

/// Each connection holds room for one, and each request of a component in this process takes as much.
#[tokio::test]
async fn a_request_takes_little_memory_before_it_is_known_what_it_is() {
    use tower::Service;
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let request = http::Request::get("/api/v1/pods").body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let answering = server.service(UserInfo::anonymous()).call(request);
    let bytes = std::mem::size_of_val(&*answering);
    println!("{bytes} bytes");
    assert!(bytes < 8 << 10, "{bytes}");
    drop(answering);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_follows_its_selection_and_ends_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let path = format!("{MAPS}?watch=1&labelSelector=on%3Dyes");
    let mut watch = call(&admin, Method::GET, &path, JSON, "").await.into_body();
    let object = |on: &str| json!({"metadata": {"name": "m", "labels": {"on": on}}}).to_string();
    for (method, path, body) in [
        (Method::POST, MAPS.to_owned(), object("no")),
        (Method::PUT, format!("{MAPS}/m"), object("yes")),
        (Method::PUT, format!("{MAPS}/m"), object("no")),
        (Method::PUT, format!("{MAPS}/m"), object("yes")),
        (Method::DELETE, format!("{MAPS}/m"), String::new()),
    ] {
        let (code, body) = send(&admin, method, &path, JSON, body).await;
        assert!(code < 300, "{body}");
    }
    let mut text = String::new();
    while text.lines().filter(|line| line.ends_with('}')).count() < 4 {
        let frame = watch.frame().await.unwrap().unwrap().into_data().unwrap();
        text.push_str(std::str::from_utf8(&frame).unwrap());
    }
    let types: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].clone()).collect();
    assert_eq!(types, ["ADDED", "DELETED", "ADDED", "DELETED"]);
    server.shutdown().await;
    assert!(watch.frame().await.is_none());
}
