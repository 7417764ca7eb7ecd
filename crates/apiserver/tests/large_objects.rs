//! Objects for which there is room only without their `managedFields`.

mod harness;

use harness::{JSON, MERGE, admin, send, start};
use http::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_stored_without_its_managed_fields() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let variables: Vec<Value> =
        (0..12_000).map(|n| json!({"name": format!("A{n}"), "value": "b".repeat(70)})).collect();
    let labels = json!({"app": "x"});
    let template = json!({"metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i", "env": variables}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "large"},
        "spec": {"selector": {"matchLabels": labels}, "template": template}});
    let all = "/apis/apps/v1/namespaces/default/deployments";
    let (code, made) = send(&admin, Method::POST, all, JSON, deployment.to_string()).await;
    assert_eq!((code, &made["metadata"]["managedFields"]), (201, &Value::Null), "{}", made["message"]);
    let one = format!("{all}/large");
    let patch = json!({"metadata": {"labels": {"a": "b"}}}).to_string();
    assert_eq!(send(&admin, Method::PATCH, &one, MERGE, patch).await.0, 200);
    // An update that would own all of it.
    let mut other = deployment.clone();
    for variable in other["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap() {
        variable["value"] = "c".repeat(71).into();
    }
    other["metadata"]["managedFields"] = json!([{"manager": "m", "operation": "Update", "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    let (code, put) = send(&admin, Method::PUT, &one, JSON, other.to_string()).await;
    assert_eq!((code, &put["metadata"]["managedFields"]), (200, &Value::Null), "{}", put["message"]);
    // who applies wants to own
    let apply = format!("{one}?fieldManager=m&force=true");
    let (code, refused) =
        send(&admin, Method::PATCH, &apply, "application/apply-patch+yaml", deployment.to_string()).await;
    assert_eq!((code, refused["message"].as_str()), (500, Some("etcdserver: request is too large")));
    server.shutdown().await;
}
