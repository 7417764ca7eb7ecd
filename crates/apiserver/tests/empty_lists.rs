//! An empty list that defaulting tells from none.

mod harness;

use harness::{JSON, admin, send, start};
use http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scaler_without_any_policy_is_refused_and_one_that_says_nothing_has_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    let scaler = |behavior: serde_json::Value| {
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "behavior": behavior}})
        .to_string()
    };
    for rules in ["scaleUp", "scaleDown"] {
        let want = format!(
            "HorizontalPodAutoscaler.autoscaling \"h\" is invalid: spec.behavior.{rules}.policies: Required value: must specify at least one Policy"
        );
        let empty = scaler(json!({rules: {"policies": []}}));
        let (code, body) = send(&admin, Method::POST, path, JSON, empty.clone()).await;
        assert_eq!((code, body["message"].as_str()), (422, Some(&*want)));
        let apply = format!("{path}/h?fieldManager=m");
        let (code, body) = send(&admin, Method::PATCH, &apply, "application/apply-patch+yaml", empty).await;
        assert_eq!((code, body["message"].as_str()), (422, Some(&*want)));
        let (code, body) =
            send(&admin, Method::POST, &format!("{path}?dryRun=All"), JSON, scaler(json!({rules: {"policies": null}})))
                .await;
        assert_eq!((code, body["spec"]["behavior"]["scaleDown"]["policies"].as_array().map(Vec::len)), (201, Some(1)));
    }
    server.shutdown().await;
}
