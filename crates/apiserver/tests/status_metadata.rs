//! What a `status` endpoint lets one change of metadata.

mod harness;

use harness::{JSON, MERGE, admin, send, start};
use http::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_kinds_put_metadata_back() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec});
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(send(&admin, Method::POST, deployments, JSON, deployment.to_string()).await.0, 201);
    let attachment = json!({"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "a", "labels": {"own": "1"}},
        "spec": {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}}});
    let attachments = "/apis/storage.k8s.io/v1/volumeattachments";
    assert_eq!(send(&admin, Method::POST, attachments, JSON, attachment.to_string()).await.0, 201);
    let change = json!({"metadata": {"labels": {"x": "1"}, "annotations": {"x": "1"}}}).to_string();
    let changed = async |path: String| -> (Value, Value) {
        let (code, object) = send(&admin, Method::PATCH, &format!("{path}/status"), MERGE, change.clone()).await;
        assert_eq!(code, 200, "{object}");
        (object["metadata"]["labels"].clone(), object["metadata"]["annotations"].clone())
    };
    assert_eq!(changed(format!("{deployments}/d")).await, (Value::Null, json!({"x": "1"})));
    assert_eq!(changed(format!("{attachments}/a")).await, (json!({"own": "1"}), Value::Null));
    assert_eq!(changed("/api/v1/namespaces/default".to_owned()).await.1, json!({"x": "1"}));
    server.shutdown().await;
}
