//! Services through the pipeline: what a type gives up is free for the next, and who is warned of what.

mod harness;

use apiserver::InProcess;
use harness::{JSON, MERGE, admin, call, send, start};
use http::Method;
use serde_json::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/default/services";

async fn say(service: &InProcess, method: Method, path: &str, kind: &str, body: Value) -> (u16, Value) {
    send(service, method, path, kind, body.to_string()).await
}

async fn create(service: &InProcess, name: &str, spec: Value) -> (u16, Value) {
    say(service, Method::POST, SERVICES, JSON, json!({"metadata": {"name": name}, "spec": spec})).await
}

async fn patch(service: &InProcess, name: &str, spec: Value) -> (u16, Value) {
    say(service, Method::PATCH, &format!("{SERVICES}/{name}"), MERGE, json!({"spec": spec})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_port_is_had_by_one_service_as_long_as_its_type_has_any() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let spec = json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30777}]});
    assert_eq!(create(&admin, "a", spec.clone()).await.0, 201);
    let (code, refused) = create(&admin, "b", spec.clone()).await;
    assert_eq!(code, 422);
    let message =
        r#"Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30777: provided port is already allocated"#;
    assert_eq!(refused["message"], message);
    // A name elsewhere only mentions the port.
    let elsewhere = json!({"type": "ExternalName", "externalName": "a.b", "ports": [{"port": 1, "nodePort": 30777}]});
    assert_eq!(create(&admin, "elsewhere", elsewhere).await.0, 201);
    let (code, changed) = patch(&admin, "a", json!({"type": "ClusterIP"})).await;
    assert_eq!((code, changed["spec"]["ports"][0].get("nodePort")), (200, None));
    assert_eq!(create(&admin, "b", spec).await.0, 201);
    // Two protocols at one port share the node port, when they come and when they are changed.
    let two =
        json!({"type": "NodePort", "ports": [{"name": "t", "port": 1}, {"name": "u", "port": 1, "protocol": "UDP"}]});
    let (_, shared) = create(&admin, "shared", two).await;
    let ports = &shared["spec"]["ports"];
    assert_eq!(ports[0]["nodePort"], ports[1]["nodePort"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_comes_with_the_type_and_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let (_, made) = create(&admin, "a", json!({"ports": [{"port": 1}], "clusterIP": "10.96.7.7"})).await;
    assert_eq!(made["spec"]["clusterIPs"], json!(["10.96.7.7"]));
    let (_, named) = patch(&admin, "a", json!({"type": "ExternalName", "externalName": "a.b"})).await;
    let fields = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"];
    assert!(fields.iter().all(|field| named["spec"].get(field).is_none()), "{named}");
    // Its address is free for another.
    assert_eq!(create(&admin, "b", json!({"ports": [{"port": 1}], "clusterIP": "10.96.7.7"})).await.0, 201);
    let (_, back) = patch(&admin, "a", json!({"type": "ClusterIP"})).await;
    assert_eq!(back["spec"]["ipFamilies"], json!(["IPv4"]));
    assert_ne!(back["spec"]["clusterIP"], "10.96.7.7");
    // Headless without selector: nobody knows its endpoints, so it is of both families.
    let (_, headless) = create(&admin, "h", json!({"clusterIP": "None"})).await;
    let spec = &headless["spec"];
    assert_eq!((&spec["ipFamilies"], &spec["ipFamilyPolicy"]), (&json!(["IPv4", "IPv6"]), &json!("RequireDualStack")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_the_status_is_not_warned_of_the_spec() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    assert_eq!(create(&admin, "a", json!({"ports": [{"port": 1}], "externalIPs": ["1.2.3.4"]})).await.0, 201);
    let label = r#"{"metadata": {"labels": {"a": "b"}}}"#;
    for (path, warnings) in [(format!("{SERVICES}/a"), 1), (format!("{SERVICES}/a/status"), 0)] {
        let response = call(&admin, Method::PATCH, &path, MERGE, label).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get_all("Warning").iter().count(), warnings, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_go_with_their_service() {
    const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    assert_eq!(create(&admin, "a", json!({"ports": [{"port": 1}]})).await.0, 201);
    for name in ["a", "b"] {
        let endpoints = json!({"metadata": {"name": name}, "subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]});
        assert_eq!(say(&admin, Method::POST, ENDPOINTS, JSON, endpoints).await.0, 201);
    }
    let delete = async |query: &str| send(&admin, Method::DELETE, &format!("{SERVICES}/a{query}"), JSON, "").await.0;
    assert_eq!(delete("?dryRun=All").await, 200);
    assert_eq!(send(&admin, Method::GET, &format!("{ENDPOINTS}/a"), JSON, "").await.0, 200);
    assert_eq!(delete("").await, 200);
    assert_eq!(send(&admin, Method::GET, &format!("{ENDPOINTS}/a"), JSON, "").await.0, 404);
    assert_eq!(send(&admin, Method::GET, &format!("{ENDPOINTS}/b"), JSON, "").await.0, 200);
}
