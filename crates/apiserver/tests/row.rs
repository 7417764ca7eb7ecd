//! One row is all that a resource needs: a row that this test adds to the table is served like any other, with discovery,
//! OpenAPI, validation of its type, tables, every kind of patch, watches, scale, status and RBAC.

mod harness;

use apiserver::{InProcess, Server, UserInfo};
use harness::{Events, JSON, MERGE, admin};
use http::{Method, Request};
use http_body_util::Full;
use registry::Subresource::{Scale, Status};
use serde_json::{Value, json};
use tower::ServiceExt;

const SHIPS: &str = "/apis/harbour.test/v1/namespaces/default/ships";
const SHIP: &str = "/apis/harbour.test/v1/namespaces/default/ships/argo";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// A server whose table has one row more: ships, which look like deployments.
async fn start(directory: &tempfile::TempDir) -> Server {
    let ships = registry::row("harbour.test", "v1", "Ship", "ships")
        .definition("io.k8s.api.apps.v1.Deployment")
        .short(&["sh"])
        .category("fleet")
        .subresources(&[Scale, Status])
        .generation()
        .build();
    harness::start_with(directory, vec![ships]).await
}

async fn send(service: &InProcess, method: Method, path: &str, content_type: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    harness::send(service, method, path, content_type, body).await
}

async fn get(service: &InProcess, path: &str, accept: &str) -> Value {
    let request = Request::get(path).header("accept", accept).body(Full::default()).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "{path}");
    serde_json::from_str(&harness::text(response).await).unwrap()
}

fn ship(name: &str) -> Value {
    let template = json!({
        "metadata": {"labels": {"crew": name}},
        "spec": {"containers": [{"name": "oars", "image": "oars:1"}]},
    });
    let selector = json!({"matchLabels": {"crew": name}});
    json!({"apiVersion": "harbour.test/v1", "kind": "Ship", "metadata": {"name": name, "labels": {"sea": "black"}},
        "spec": {"replicas": 50, "selector": selector, "template": template}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_described() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let groups = get(&admin, "/apis", JSON).await;
    assert!(groups["groups"].as_array().unwrap().iter().any(|group| group["name"] == "harbour.test"));
    let resources = get(&admin, "/apis/harbour.test/v1", JSON).await;
    let names: Vec<&Value> = resources["resources"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["ships", "ships/scale", "ships/status"]);
    assert_eq!(resources["resources"][0]["shortNames"], json!(["sh"]));
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let groups = get(&admin, "/apis", aggregated).await;
    let group = groups["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "harbour.test");
    assert_eq!(group.unwrap()["versions"][0]["resources"][0]["categories"], json!(["fleet"]));
    let kind = json!({"group": "harbour.test", "kind": "Ship", "version": "v1"});
    let document = get(&admin, "/openapi/v3/apis/harbour.test/v1", JSON).await;
    let collection = "/apis/harbour.test/v1/namespaces/{namespace}/ships";
    let operation = &document["paths"][collection]["post"];
    assert_eq!(operation["operationId"], "createHarbourTestV1NamespacedShip");
    assert_eq!(operation["x-kubernetes-group-version-kind"], kind);
    let kinds = &document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"];
    assert!(kinds.as_array().unwrap().contains(&kind), "{kinds}");
    let document = get(&admin, "/openapi/v2", JSON).await;
    assert!(document["paths"].get(collection).is_some());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_written_and_read_in_every_way() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let (code, made) = send(&admin, Method::POST, SHIPS, JSON, ship("argo")).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["metadata"]["managedFields"][0]["apiVersion"], "harbour.test/v1");

    let strict = format!("{SHIPS}?fieldValidation=Strict");
    let mut wrong = ship("tigris");
    wrong["spec"]["sails"] = json!(3);
    let (code, error) = send(&admin, Method::POST, &strict, JSON, wrong).await;
    assert_eq!((code, &error["reason"]), (400, &json!("BadRequest")));
    assert!(error["message"].as_str().unwrap().contains(r#"unknown field "spec.sails""#), "{error}");

    // the type of the row knows how lists of containers are merged
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "oars", "env": [{"name": "A", "value": "1"}]}]}}}});
    let strategic = "application/strategic-merge-patch+json";
    let (code, now) = send(&admin, Method::PATCH, SHIP, strategic, image).await;
    assert_eq!((code, &now["metadata"]["generation"]), (200, &json!(2)), "{now}");
    assert_eq!(now["spec"]["template"]["spec"]["containers"][0]["image"], "oars:1");
    let merge = json!({"metadata": {"labels": {"sea": "aegean"}}});
    let (code, _) = send(&admin, Method::PATCH, SHIP, MERGE, merge).await;
    assert_eq!(code, 200);
    let jump = json!([{"op": "test", "path": "/spec/replicas", "value": 50}, {"op": "replace", "path": "/spec/replicas", "value": 49}]);
    let (code, now) = send(&admin, Method::PATCH, SHIP, "application/json-patch+json", jump).await;
    assert_eq!((code, &now["spec"]["replicas"]), (200, &json!(49)), "{now}");
    let applied = json!({"apiVersion": "harbour.test/v1", "kind": "Ship", "spec": {"replicas": 40}});
    let apply = format!("{SHIP}?fieldManager=helmsman");
    let (code, conflict) = send(&admin, Method::PATCH, &apply, "application/apply-patch+yaml", applied.clone()).await;
    assert_eq!((code, &conflict["reason"]), (409, &json!("Conflict")), "{conflict}");
    let (code, now) =
        send(&admin, Method::PATCH, &format!("{apply}&force=true"), "application/apply-patch+yaml", applied).await;
    assert_eq!((code, &now["spec"]["replicas"]), (200, &json!(40)), "{now}");

    let (code, scale) = send(&admin, Method::GET, &format!("{SHIP}/scale"), JSON, Value::Null).await;
    assert_eq!((code, &scale["spec"]["replicas"], &scale["kind"]), (200, &json!(40), &json!("Scale")), "{scale}");
    let status = json!({"status": {"readyReplicas": 7}, "spec": {"replicas": 1}});
    let (code, now) = send(&admin, Method::PATCH, &format!("{SHIP}/status"), MERGE, status).await;
    assert_eq!((code, &now["status"]["readyReplicas"], &now["spec"]["replicas"]), (200, &json!(7), &json!(40)));

    let table = get(&admin, &format!("{SHIPS}?labelSelector=sea%3Daegean"), TABLE).await;
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    assert_eq!(table["rows"][0]["cells"][0], "argo");
    let (code, gone) = send(&admin, Method::DELETE, SHIP, JSON, Value::Null).await;
    assert_eq!((code, &gone["details"]["group"]), (200, &json!("harbour.test")), "{gone}");
    let (code, missing) = send(&admin, Method::GET, SHIP, JSON, Value::Null).await;
    assert_eq!((code, &missing["message"]), (404, &json!(r#"ships.harbour.test "argo" not found"#)));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_watched_and_guarded() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let mut watch = Events::of(harness::call(&admin, Method::GET, &format!("{SHIPS}?watch=1"), JSON, "").await);
    let jason = server.service(UserInfo::new("jason", &["system:authenticated"]));
    let (code, refused) = send(&jason, Method::POST, SHIPS, JSON, ship("argo")).await;
    let words = r#"ships.harbour.test is forbidden: User "jason" cannot create resource "ships" in API group "harbour.test" in the namespace "default""#;
    assert_eq!((code, &refused["message"]), (403, &json!(words)));
    let rules = json!([{"apiGroups": ["harbour.test"], "resources": ["ships"], "verbs": ["create"]}]);
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let (code, _) = send(
        &admin,
        Method::POST,
        &format!("{roles}/roles"),
        JSON,
        json!({"metadata": {"name": "captain"}, "rules": rules}),
    )
    .await;
    assert_eq!(code, 201);
    let binding = json!({"metadata": {"name": "captain"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "captain"},
        "subjects": [{"kind": "User", "name": "jason", "apiGroup": "rbac.authorization.k8s.io"}]});
    let (code, _) = send(&admin, Method::POST, &format!("{roles}/rolebindings"), JSON, binding).await;
    assert_eq!(code, 201);
    let (code, made) = send(&jason, Method::POST, SHIPS, JSON, ship("argo")).await;
    assert_eq!(code, 201, "{made}");
    let (code, _) = send(&jason, Method::DELETE, SHIP, JSON, Value::Null).await;
    assert_eq!(code, 403);
    let (code, _) = send(&admin, Method::DELETE, SHIPS, JSON, Value::Null).await;
    assert_eq!(code, 200);
    for wanted in ["ADDED", "DELETED"] {
        let event = watch.next().await;
        let object = &event["object"];
        assert_eq!(
            (&event["type"], &object["kind"], &object["metadata"]["name"]),
            (&json!(wanted), &json!("Ship"), &json!("argo"))
        );
    }
    server.shutdown().await;
}
