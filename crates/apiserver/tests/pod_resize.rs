//! Resizing a pod that is on a node: PodResizeValidator; and a deleted collection in the form that is asked for.

mod harness;

use bytes::Bytes;
use harness::{JSON, MERGE, admin, send, start, text};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceExt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_is_not_made_larger_than_its_node() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let allocatable = json!({"cpu": "2", "memory": "1Gi", "pods": "10"});
    let node = json!({"metadata": {"name": "n"}, "status": {"allocatable": allocatable, "capacity": allocatable}});
    assert_eq!(send(&admin, Method::POST, "/api/v1/nodes", JSON, node.to_string()).await.0, 201);
    let account = json!({"metadata": {"name": "default"}}).to_string();
    send(&admin, Method::POST, "/api/v1/namespaces/default/serviceaccounts", JSON, account).await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i",
        "resources": {"requests": {"cpu": "1", "memory": "500Mi"}}}]}});
    let made = send(&admin, Method::POST, "/api/v1/namespaces/default/pods", JSON, pod.to_string()).await;
    assert_eq!(made.0, 201, "{}", made.1);
    let resize = async |requests: Value| {
        let patch = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}}).to_string();
        let strategic = "application/strategic-merge-patch+json";
        send(&admin, Method::PATCH, "/api/v1/namespaces/default/pods/p/resize", strategic, patch).await
    };
    let (code, refused) = resize(json!({"cpu": "2100m", "memory": "2Gi"})).await;
    let message = "pods \"p\" is forbidden: Node didn't have enough allocatable resources: \
        cpu, requested: 2100, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824";
    assert_eq!((code, &refused["message"]), (403, &message.into()));
    assert_eq!(refused["details"], json!({"name": "p", "kind": "pods", "causes": [{"reason": "NodeCapacity"}]}));
    let (code, refused) = resize(json!({"cpu": "2"})).await;
    let message = "pods \"p\" is forbidden: pod resize is only supported on linux nodes, node \"n\" is \"\"";
    assert_eq!((code, &refused["message"]), (403, &message.into()));
    // nothing new is nothing to refuse
    assert_eq!(resize(json!({"cpu": "1"})).await.0, 200);
    let labels = json!({"metadata": {"labels": {"kubernetes.io/os": "linux"}}}).to_string();
    send(&admin, Method::PATCH, "/api/v1/nodes/n", MERGE, labels).await;
    assert_eq!(resize(json!({"cpu": "2"})).await.0, 200);
    send(&admin, Method::DELETE, "/api/v1/nodes/n", JSON, "").await;
    let (code, refused) = resize(json!({"cpu": "1"})).await;
    assert_eq!((code, &refused["message"]), (403, &"pods \"p\" is forbidden: node \"n\" not found".into()));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_collection_is_a_table_or_metadata_where_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let maps = "/api/v1/namespaces/default/configmaps";
    let delete = async |kind: &str| -> Value {
        let map = json!({"metadata": {"name": "a"}, "data": {"k": "v"}}).to_string();
        assert_eq!(send(&admin, Method::POST, maps, JSON, map).await.0, 201);
        let accept = format!("application/json;as={kind};v=v1;g=meta.k8s.io,application/json");
        let request = Request::delete(maps).header("accept", accept).body(Full::new(Bytes::new())).unwrap();
        serde_json::from_str(&text(admin.clone().oneshot(request).await.unwrap()).await).unwrap()
    };
    let table = delete("Table").await;
    assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&"Table".into(), &"a".into()));
    let partial = delete("PartialObjectMetadataList").await;
    assert_eq!(
        (&partial["kind"], &partial["items"][0]["metadata"]["name"]),
        (&"PartialObjectMetadataList".into(), &"a".into())
    );
    assert_eq!(partial["items"][0]["data"], Value::Null);
    server.shutdown().await;
}
