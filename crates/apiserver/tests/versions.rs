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
