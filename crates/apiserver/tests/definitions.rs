//! Custom resources at the end of their definition.

mod harness;

use harness::{JSON, PATIENCE, send, start, text, until};
use http::Method;
use serde_json::json;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const DOORS: &str = "/apis/example.com/v1/namespaces/default/doors";
const COUNT: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_watcher_is_told_of_the_last_instances_before_its_watch_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = harness::admin(&server);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "doors.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "doors", "kind": "Door"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}},
        ]},
    });
    assert_eq!(send(&service, Method::POST, DEFINITIONS, JSON, definition.to_string()).await.0, 201);
    for n in 0..COUNT {
        let door = json!({"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": format!("d{n}")}});
        until(&service, Method::POST, DOORS, &door.to_string(), 201).await;
    }
    let watch = harness::call(&service, Method::GET, &format!("{DOORS}?watch=1"), JSON, "").await;
    assert_eq!(watch.status(), 200);
    // Nobody reads the watch while everything goes.
    let path = format!("{DEFINITIONS}/doors.example.com");
    assert_eq!(send(&service, Method::DELETE, &path, JSON, "").await.0, 200);
    until(&service, Method::GET, &path, "", 404).await;
    until(&service, Method::GET, DOORS, "", 404).await;
    let told =
        clock::timeout(&*clock::system(), PATIENCE, text(watch)).await.expect("the watch ends with its resource");
    assert_eq!(told.matches("\"type\":\"ADDED\"").count(), COUNT);
    assert_eq!(told.matches("\"type\":\"DELETED\"").count(), COUNT);
    server.shutdown().await;
}
