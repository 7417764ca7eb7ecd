//! What a deletion does about dependents, kind by kind, and which kinds are made by `PUT`.

mod harness;

use harness::{JSON, admin, send, start};
use http::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_kinds_leave_dependents_behind_and_events_have_none() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let space = "/api/v1/namespaces/default";
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let finalizers = json!(["example.com/block"]);
    let controller = json!({"metadata": {"name": "x", "finalizers": finalizers},
        "spec": {"selector": {"a": "b"}, "template": template}});
    let map = json!({"metadata": {"name": "x", "finalizers": finalizers}});
    let event = json!({"metadata": {"name": "x", "namespace": "default", "finalizers": finalizers},
        "involvedObject": {"namespace": "default"}});
    let left = async |plural: &str, object: &Value, options: Value| {
        let (all, one) = (format!("{space}/{plural}"), format!("{space}/{plural}/x"));
        assert_eq!(send(&admin, Method::POST, &all, JSON, object.to_string()).await.0, 201);
        let body = if options.is_null() { String::new() } else { options.to_string() };
        let (_, deleted) = send(&admin, Method::DELETE, &one, JSON, body).await;
        let left = deleted["metadata"]["finalizers"].as_array().unwrap()[1..].to_vec();
        let free = json!({"metadata": {"finalizers": null}}).to_string();
        assert_eq!(send(&admin, Method::PATCH, &one, harness::MERGE, free).await.0, 200);
        Value::from(left)
    };
    let policy = |policy: &str| json!({"propagationPolicy": policy});
    for (plural, object, by_default) in
        [("replicationcontrollers", &controller, json!(["orphan"])), ("configmaps", &map, json!([]))]
    {
        assert_eq!(left(plural, object, Value::Null).await, by_default, "{plural}");
        assert_eq!(left(plural, object, policy("Foreground")).await, json!(["foregroundDeletion"]));
        assert_eq!(left(plural, object, policy("Background")).await, json!([]));
        assert_eq!(left(plural, object, policy("Orphan")).await, json!(["orphan"]));
    }
    for options in [Value::Null, policy("Foreground"), policy("Orphan"), json!({"orphanDependents": true})] {
        assert_eq!(left("events", &event, options.clone()).await, json!([]), "{options}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runtime_classes_are_made_by_put_too() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let class = json!({"metadata": {"name": "r"}, "handler": "h"}).to_string();
    let made = send(&admin(&server), Method::PUT, "/apis/node.k8s.io/v1/runtimeclasses/r", JSON, class).await;
    assert_eq!(made.0, 201, "{}", made.1);
    server.shutdown().await;
}
