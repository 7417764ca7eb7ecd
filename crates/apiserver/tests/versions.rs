//! Who owns what of an object that is written in two versions.

mod harness;

use harness::{JSON, admin, send, start};
use http::Method;
use serde_json::{Value, json};

const APPLY: &str = "application/apply-patch+yaml";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_autoscaler_is_applied_in_both_versions() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let path = |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers/h");
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
    let scaler = |version: &str, most: i64, metrics: Value| {
        let mut spec = json!({"scaleTargetRef": target, "maxReplicas": most});
        spec.as_object_mut().unwrap().extend(metrics.as_object().cloned().unwrap());
        json!({"apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "h"}, "spec": spec})
    };
    let apply = async |version: &str, manager: &str, object: Value| {
        let path = format!("{}?fieldManager={manager}", path(version));
        send(&admin, Method::PATCH, &path, APPLY, object.to_string()).await
    };
    let usage = json!({"type": "Utilization", "averageUtilization": 50});
    let metrics = json!({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}]});
    let (code, made) = apply("v2", "m", scaler("v2", 3, metrics)).await;
    assert_eq!(code, 201, "{made}");
    let (code, conflict) = apply("v1", "o", scaler("v1", 4, json!({"targetCPUUtilizationPercentage": 60}))).await;
    assert_eq!(code, 409);
    let message = conflict["message"].as_str().unwrap();
    assert!(message.contains(".spec.maxReplicas") && message.contains(".spec.metrics"), "{message}");
    // What `m` does not say any more is gone, though it said so in another version; the default takes its place.
    let (code, now) = apply("v1", "m", scaler("v1", 4, json!({}))).await;
    assert_eq!((code, &now["spec"]["maxReplicas"]), (200, &json!(4)), "{now}");
    assert_eq!(now["spec"]["targetCPUUtilizationPercentage"], 80, "{now}");
    let entries = now["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["apiVersion"]), (1, &json!("autoscaling/v1")), "{now}");
    // An update of the one takes over what the other names otherwise.
    let (_, mut object) = send(&admin, Method::GET, &path("v2"), JSON, "").await;
    object["spec"]["maxReplicas"] = json!(7);
    let (code, object) =
        send(&admin, Method::PUT, &format!("{}?fieldManager=u", path("v2")), JSON, object.to_string()).await;
    assert_eq!(code, 200, "{object}");
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let of = |manager: &str| entries.iter().find(|entry| entry["manager"] == manager).unwrap();
    assert!(of("u")["fieldsV1"]["f:spec"].get("f:maxReplicas").is_some());
    assert!(of("m")["fieldsV1"]["f:spec"].get("f:maxReplicas").is_none());
    server.shutdown().await;
}

/// As an apiextensions-apiserver 1.36.4 answered: what an endpoint puts back it puts back of its own version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_may_be_owned_in_a_version_that_has_none_apart() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let part = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": part, "status": part}}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "walls.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "walls", "kind": "Wall"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": schema},
            {"name": "v2", "served": true, "storage": false, "schema": schema, "subresources": {"status": {}}}]}});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(send(&admin, Method::POST, definitions, JSON, definition.to_string()).await.0, 201);
    let path = |version: &str| format!("/apis/example.com/{version}/namespaces/default/walls");
    harness::until(&admin, Method::GET, &path("v2"), "", 200).await;
    let apply = async |version: &str, query: &str, a: i64| {
        let wall = json!({"apiVersion": format!("example.com/{version}"), "kind": "Wall", "metadata": {"name": "w"},
            "spec": {"a": 1}, "status": {"a": a}});
        let path = format!("{}/w?{query}", path(version));
        send(&admin, Method::PATCH, &path, APPLY, wall.to_string()).await
    };
    assert_eq!(apply("v1", "fieldManager=one", 1).await.0, 201);
    let (code, refused) = apply("v2", "fieldManager=two", 2).await;
    let words = "Apply failed with 1 conflict: conflict with \"one\": .status.a";
    assert_eq!((code, refused["message"].as_str()), (409, Some(words)));
    let (code, applied) = apply("v2", "fieldManager=two&force=true", 2).await;
    // it was not written, but is nobody's now
    assert_eq!((code, &applied["status"]), (200, &json!({"a": 1})));
    let owned: Vec<&Value> =
        applied["metadata"]["managedFields"].as_array().unwrap().iter().map(|e| &e["fieldsV1"]).collect();
    assert_eq!(owned, [&json!({"f:spec": {"f:a": {}}}), &json!({"f:spec": {"f:a": {}}})]);
    server.shutdown().await;
}
