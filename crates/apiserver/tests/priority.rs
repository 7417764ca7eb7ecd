//! What priority and fairness tells a client: the UIDs of its flow schema and of its level.

mod harness;

use apiserver::{Body, UserInfo};
use harness::{JSON, admin, call, send, start};
use http::{Method, Response};
use serde_json::Value;

fn told(response: &Response<Body>) -> Option<(String, String)> {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    header("x-kubernetes-pf-flowschema-uid").zip(header("x-kubernetes-pf-prioritylevel-uid"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_told_its_flow_schema_but_what_has_no_end() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let (admin, jane) = (admin(&server), server.service(UserInfo::new("jane", &[])));
    let group = "/apis/flowcontrol.apiserver.k8s.io/v1";
    let uid = async |plural: &str, name: &str| {
        let (_, object) = send(&admin, Method::GET, &format!("{group}/{plural}/{name}"), JSON, "").await;
        object["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    let class = async |schema: &str, level: &str| {
        Some((uid("flowschemas", schema).await, uid("prioritylevelconfigurations", level).await))
    };
    let exempt = class("exempt", "exempt").await;
    for path in ["/api/v1/nodes", "/api/v1/nodes/absent", "/nothing", "/api/v1/nodes?watch=1&timeoutSeconds=1"] {
        assert_eq!(told(&call(&admin, Method::GET, path, JSON, "").await), exempt, "{path}");
    }
    // also who may not
    let refused = call(&jane, Method::GET, "/api/v1/nodes", JSON, "").await;
    assert_eq!((refused.status().as_u16(), told(&refused)), (403, class("global-default", "global-default").await));
    assert_eq!(told(&call(&jane, Method::GET, "/healthz", JSON, "").await), class("probes", "exempt").await);
    let log = call(&admin, Method::GET, "/api/v1/namespaces/default/pods/p/log", JSON, "").await;
    assert_eq!((log.status().as_u16(), told(&log)), (404, None));
    // an administrator's own schema counts at once
    let own = serde_json::json!({"metadata": {"name": "own"}, "spec": {"matchingPrecedence": 50,
        "priorityLevelConfiguration": {"name": "workload-low"},
        "rules": [{"subjects": [{"kind": "User", "user": {"name": "jane"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/version"]}]}]}});
    let made: (u16, Value) = send(&admin, Method::POST, &format!("{group}/flowschemas"), JSON, own.to_string()).await;
    assert_eq!(made.0, 201, "{}", made.1);
    assert_eq!(told(&call(&jane, Method::GET, "/version", JSON, "").await), class("own", "workload-low").await);
    server.shutdown().await;
}

/// The condition of a schema, once it has `reason`.
async fn condition(server: &apiserver::Server, name: &str, reason: &str) -> Value {
    let (admin, clock) = (admin(server), clock::system());
    for _ in 0..500 {
        let path = format!("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/{name}");
        let (_, object) = send(&admin, Method::GET, &path, JSON, "").await;
        if object["status"]["conditions"][0]["reason"] == reason {
            return object;
        }
        clock.sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{name} never had a condition with reason {reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_say_whether_their_level_is_there_and_levels_have_seats_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let found = condition(&server, "exempt", "Found").await;
    let condition_of = |object: &Value| {
        let condition = &object["status"]["conditions"][0];
        (condition["type"].clone(), condition["status"].clone(), condition["message"].as_str().unwrap().to_owned())
    };
    let message = "This FlowSchema references the PriorityLevelConfiguration object named \"exempt\" and it exists";
    assert_eq!(condition_of(&found), ("Dangling".into(), "False".into(), message.to_owned()));
    let managers = found["metadata"]["managedFields"].as_array().unwrap();
    let manager = managers.iter().find(|one| one["manager"] == "api-priority-and-fairness-config-consumer-v1").unwrap();
    assert_eq!((&manager["operation"], &manager["subresource"]), (&"Apply".into(), &"status".into()));
    let group = "/apis/flowcontrol.apiserver.k8s.io/v1";
    let schema = serde_json::json!({"metadata": {"name": "own"}, "spec": {"matchingPrecedence": 50,
        "priorityLevelConfiguration": {"name": "own"}, "rules": [{"subjects": [{"kind": "User", "user": {"name": "jane"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/version"]}]}]}});
    send(&admin, Method::POST, &format!("{group}/flowschemas"), JSON, schema.to_string()).await;
    let dangling = condition(&server, "own", "NotFound").await;
    let message =
        "This FlowSchema references the PriorityLevelConfiguration object named \"own\" but there is no such object";
    assert_eq!(condition_of(&dangling), ("Dangling".into(), "True".into(), message.to_owned()));
    let level = serde_json::json!({"metadata": {"name": "own"}, "spec": {"type": "Limited",
        "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}}});
    send(&admin, Method::POST, &format!("{group}/prioritylevelconfigurations"), JSON, level.to_string()).await;
    condition(&server, "own", "Found").await;
    server.shutdown().await;
}
