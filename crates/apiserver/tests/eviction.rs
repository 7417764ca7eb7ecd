//! Evictions against a disruption budget, and quotas of custom resources: what is counted is counted once.

mod harness;

use apiserver::InProcess;
use harness::{JSON, MERGE, admin, call, send, start};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PODS: &str = "/api/v1/namespaces/default/pods";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
/// How long a condition is waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn running_pod(service: &InProcess, name: &str) {
    let pod = json!({"metadata": {"name": name, "labels": {"app": "a"}},
        "spec": {"serviceAccountName": "default", "containers": [{"name": "c", "image": "i"}]}});
    let (code, made) = send(service, Method::POST, PODS, JSON, pod.to_string()).await;
    assert_eq!(code, 201, "{made}");
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let path = format!("{PODS}/{name}/status");
    assert_eq!(send(service, Method::PATCH, &path, MERGE, status.to_string()).await.0, 200);
}

async fn evict(service: &InProcess, name: &str, options: Value) -> (u16, Value) {
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name},
        "deleteOptions": options});
    send(service, Method::POST, &format!("{PODS}/{name}/eviction"), JSON, eviction.to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_evictions_at_once_a_budget_of_one_lets_one_through() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = admin(&server);
    let account = json!({"metadata": {"name": "default"}}).to_string();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(send(&service, Method::POST, accounts, JSON, account).await.0, 201);
    for name in ["a", "b"] {
        running_pod(&service, name).await;
    }
    let budget = json!({"metadata": {"name": "one"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}});
    assert_eq!(send(&service, Method::POST, BUDGETS, JSON, budget.to_string()).await.0, 201);
    let early = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}).to_string();
    let early = call(&service, Method::POST, &format!("{PODS}/a/eviction"), JSON, early).await;
    assert_eq!((early.status().as_u16(), early.headers()["retry-after"].to_str().unwrap()), (429, "10"));
    let status = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2,
        "desiredHealthy": 1, "expectedPods": 2}});
    let path = format!("{BUDGETS}/one/status");
    assert_eq!(send(&service, Method::PATCH, &path, MERGE, status.to_string()).await.0, 200);
    // A dry run charges nothing, and a precondition that does not hold deletes nothing.
    assert_eq!(evict(&service, "a", json!({"dryRun": ["All"]})).await.0, 201);
    let (_, budget) = send(&service, Method::GET, &format!("{BUDGETS}/one"), JSON, "").await;
    assert_eq!(budget["status"]["disruptionsAllowed"], 1, "{budget}");
    let (a, b) = futures::future::join(evict(&service, "a", json!({})), evict(&service, "b", json!({}))).await;
    let mut codes = [a.0, b.0];
    codes.sort_unstable();
    assert_eq!(codes, [201, 429], "{a:?} {b:?}");
    let (_, budget) = send(&service, Method::GET, &format!("{BUDGETS}/one"), JSON, "").await;
    assert_eq!(budget["status"]["disruptionsAllowed"], 0, "{budget}");
    let gone = if a.0 == 201 { "a" } else { "b" };
    assert!(budget["status"]["disruptedPods"][gone].is_string(), "{budget}");
    let (_, left) = send(&service, Method::GET, PODS, JSON, "").await;
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1), "{left}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn custom_resources_are_counted_by_quotas() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = admin(&server);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "doors.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "doors", "kind": "Door"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}},
        ]},
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(send(&service, Method::POST, path, JSON, definition.to_string()).await.0, 201);
    let quotas = "/api/v1/namespaces/default/resourcequotas";
    let hard = json!({"count/doors.example.com": "1"});
    let quota = json!({"metadata": {"name": "few"}, "spec": {"hard": hard}});
    assert_eq!(send(&service, Method::POST, quotas, JSON, quota.to_string()).await.0, 201);
    let counted = json!({"status": {"hard": hard, "used": {"count/doors.example.com": "0"}}});
    let path = format!("{quotas}/few/status");
    assert_eq!(send(&service, Method::PATCH, &path, MERGE, counted.to_string()).await.0, 200);
    let doors = "/apis/example.com/v1/namespaces/default/doors";
    let door =
        |name: &str| json!({"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": name}}).to_string();
    let clock = clock::system();
    let served = async {
        while send(&service, Method::POST, doors, JSON, door("a")).await.0 != 201 {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(&*clock, PATIENCE, served).await.expect("the resource is served");
    let (code, status) = send(&service, Method::POST, doors, JSON, door("b")).await;
    let words = "doors.example.com \"b\" is forbidden: exceeded quota: few, requested: count/doors.example.com=1, used: \
                 count/doors.example.com=1, limited: count/doors.example.com=1";
    assert_eq!((code, &status["message"]), (403, &json!(words)), "{status}");
    server.shutdown().await;
}
