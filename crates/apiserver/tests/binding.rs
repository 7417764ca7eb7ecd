//! A pod is bound to a node: what of the binding goes to the pod, and what is no binding.

mod harness;

use harness::{JSON, admin, send, start};
use http::Method;
use serde_json::json;

const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_pod_has_the_zone_of_its_node_and_what_the_binding_says() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = admin(&server);
    let make = |path: &'static str, object: serde_json::Value| {
        let service = &service;
        async move { assert_eq!(send(service, Method::POST, path, JSON, object.to_string()).await.0, 201) }
    };
    let account = "/api/v1/namespaces/default/serviceaccounts";
    make(account, json!({"metadata": {"name": "default"}})).await;
    let zone = json!({"topology.kubernetes.io/zone": "z"});
    make("/api/v1/nodes", json!({"metadata": {"name": "n", "labels": zone}})).await;
    let spec = json!({"serviceAccountName": "default", "containers": [{"name": "c", "image": "i"}]});
    make(
        PODS,
        json!({"metadata": {"name": "p", "labels": {"own": "1", "topology.kubernetes.io/zone": "y"}}, "spec": spec}),
    )
    .await;
    let nominated = json!({"status": {"nominatedNodeName": "n"}}).to_string();
    let status = format!("{PODS}/p/status");
    let (code, pod) = send(&service, Method::PATCH, &status, "application/merge-patch+json", nominated).await;
    assert_eq!((code, &pod["status"]["nominatedNodeName"]), (200, &json!("n")));
    let bind = |target: serde_json::Value| {
        let service = &service;
        async move {
            let metadata = json!({"name": "p", "labels": {"more": "2"}, "annotations": {"a": "3"}});
            let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target});
            send(service, Method::POST, &format!("{PODS}/p/binding"), JSON, binding.to_string()).await
        }
    };
    let (code, refused) = bind(json!({"kind": "Pod"})).await;
    assert_eq!(code, 500, "{refused}");
    let words = "[target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\", target.name: Required value]";
    assert_eq!(refused["message"], words);
    let elsewhere = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p", "namespace": "other"},
        "target": {"kind": "Node", "name": "n"}});
    let (code, refused) = send(&service, Method::POST, &format!("{PODS}/p/binding"), JSON, elsewhere.to_string()).await;
    assert_eq!(code, 400, "{refused}");
    let words = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!(refused["message"], words);
    let (code, answer) = bind(json!({"kind": "Node", "name": "n"})).await;
    assert_eq!(code, 201, "{answer}");
    let (_, pod) = send(&service, Method::GET, &format!("{PODS}/p"), JSON, "").await;
    assert_eq!(pod["spec"]["nodeName"], "n");
    assert_eq!(pod["status"].get("nominatedNodeName"), None, "the hint of old goes with the binding");
    let labels = json!({"own": "1", "more": "2", "topology.kubernetes.io/zone": "z"});
    assert_eq!((&pod["metadata"]["labels"], &pod["metadata"]["annotations"]["a"]), (&labels, &json!("3")));
}
