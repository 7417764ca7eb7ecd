//! Where lists and watches begin, and what watches say at their end.

mod harness;

use harness::{JSON, admin, call, send, start, text};
use http::Method;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Type and revision of each event.
fn events(stream: &str) -> Vec<(String, u64)> {
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let revision = event["object"]["metadata"]["resourceVersion"].as_str().unwrap_or("0").parse().unwrap();
        (event["type"].as_str().unwrap().to_owned(), revision)
    };
    stream.lines().map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_bookmark_comes_before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let (_, list) = send(&admin, Method::GET, MAPS, JSON, "").await;
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let query = format!("{MAPS}?watch=1&timeoutSeconds=3&resourceVersion={revision}");
    let watch = call(&admin, Method::GET, &format!("{query}&allowWatchBookmarks=true"), JSON, "").await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}).to_string();
    let (code, made) = send(&admin, Method::POST, "/api/v1/namespaces/default/secrets", JSON, secret).await;
    assert_eq!(code, 201);
    let told = events(&text(watch).await);
    let made = made["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    assert!(told.len() == 1 && told[0].0 == "BOOKMARK" && told[0].1 >= made, "{told:?}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_revision_comes_without_pages() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    for n in 0..3 {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{n}")}}).to_string();
        assert_eq!(send(&admin, Method::POST, MAPS, JSON, map).await.0, 201);
    }
    let listed = async |query: &str| {
        let (_, list) = send(&admin, Method::GET, &format!("{MAPS}?limit=2{query}"), JSON, "").await;
        (list["items"].as_array().unwrap().len(), list["metadata"].get("continue").is_some())
    };
    assert_eq!(listed("").await, (2, true));
    assert_eq!(listed("&resourceVersion=0").await, (3, false));
    assert_eq!(listed("&resourceVersion=0&resourceVersionMatch=NotOlderThan").await, (3, false));
    let (code, late) = send(&admin, Method::GET, &format!("{MAPS}/m1?resourceVersion=99999999"), JSON, "").await;
    assert_eq!(code, 504, "{late}");
    assert!(late["message"].as_str().unwrap().starts_with("Timeout: Too large resource version: 99999999"), "{late}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_may_begin_later() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let (_, list) = send(&admin, Method::GET, MAPS, JSON, "").await;
    let revision: u64 = list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    let later = revision + 2;
    let query = format!("{MAPS}?watch=1&timeoutSeconds=2&resourceVersion={later}");
    let watch = call(&admin, Method::GET, &query, JSON, "").await;
    assert_eq!(watch.status(), 200);
    for n in 0..4 {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{n}")}}).to_string();
        assert_eq!(send(&admin, Method::POST, MAPS, JSON, map).await.0, 201);
    }
    let told = events(&text(watch).await);
    assert!(!told.is_empty() && told.iter().all(|(kind, at)| kind == "ADDED" && *at > later), "{told:?}");
    // Who wants what is there as of then waits for it, and is told so in the stream.
    let initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let query = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=99999999&{initial}");
    let watch = call(&admin, Method::GET, &query, JSON, "").await;
    assert_eq!(watch.status(), 200);
    let told = text(watch).await;
    assert!(told.starts_with(r#"{"type":"ERROR""#) && told.contains("Too large resource version"), "{told}");
    server.shutdown().await;
}
