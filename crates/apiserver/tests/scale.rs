//! `scale` of built-in and custom objects: it is patched and applied like any object, and who owns the replicas shows in both.

mod harness;

use apiserver::InProcess;
use harness::{JSON, MERGE, admin, send, start, until};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceExt;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";
const SCALE: &str = "/apis/apps/v1/namespaces/default/deployments/web/scale";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const DOORS: &str = "/apis/example.com/v1/namespaces/default/doors";
const APPLY: &str = "application/apply-patch+yaml";

async fn say(service: &InProcess, method: Method, path: &str, kind: &str, body: Value) -> (u16, Value) {
    send(service, method, path, kind, body.to_string()).await
}

fn web() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }})
}

fn scale(replicas: i64) -> Value {
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": replicas}})
}

/// Manager, operation and subresource of those who own the replicas of an object.
fn owners(object: &Value) -> Vec<(String, String, String)> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let owns = |entry: &&Value| entry["fieldsV1"]["f:spec"].get("f:replicas").is_some();
    let owners = entries.iter().filter(owns);
    owners.map(|entry| (text(entry, "manager"), text(entry, "operation"), text(entry, "subresource"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applied_scale_owns_the_replicas_of_its_object() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let (code, _) = say(&admin, Method::PATCH, &format!("{WEB}?fieldManager=author"), APPLY, web()).await;
    assert_eq!(code, 201);
    let apply = format!("{SCALE}?fieldManager=scaler");
    let (code, conflict) = say(&admin, Method::PATCH, &apply, APPLY, scale(3)).await;
    assert_eq!(code, 409, "{conflict}");
    let message = r#"Apply failed with 1 conflict: conflict with "author": .spec.replicas"#;
    assert_eq!(conflict["message"], message);
    let (code, scaled) = say(&admin, Method::PATCH, &format!("{apply}&force=true"), APPLY, scale(3)).await;
    assert_eq!((code, &scaled["spec"]["replicas"]), (200, &json!(3)), "{scaled}");
    let (_, object) = send(&admin, Method::GET, WEB, JSON, "").await;
    let scaler = ("scaler".to_owned(), "Apply".to_owned(), "scale".to_owned());
    assert_eq!(owners(&object), std::slice::from_ref(&scaler));
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["apiVersion"] == "apps/v1"), "{entries:?}");

    // the object's author is told of the other part, and may share the same value
    let (code, conflict) = say(&admin, Method::PATCH, &format!("{WEB}?fieldManager=author"), APPLY, web()).await;
    assert_eq!(code, 409);
    let message = r#"Apply failed with 1 conflict: conflict with "scaler" with subresource "scale": .spec.replicas"#;
    assert_eq!(conflict["message"], message);
    let mut same = web();
    same["spec"]["replicas"] = json!(3);
    let (code, object) = say(&admin, Method::PATCH, &format!("{WEB}?fieldManager=author"), APPLY, same).await;
    assert_eq!(code, 200, "{object}");
    assert_eq!(owners(&object).len(), 2);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_scale_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    assert_eq!(say(&admin, Method::POST, DEPLOYMENTS, JSON, web()).await.0, 201);
    let wrong = json!({"spec": {"replicas": "many"}});
    let (code, refused) = say(&admin, Method::PATCH, SCALE, MERGE, wrong).await;
    assert_eq!(code, 422, "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("cannot unmarshal string into Go struct field"), "{message}");
    let strict = format!("{SCALE}?fieldValidation=Strict");
    let (code, refused) = say(&admin, Method::PATCH, &strict, MERGE, json!({"spec": {"copies": 1}})).await;
    assert_eq!(code, 422, "{refused}");
    let mut other = scale(1);
    other["metadata"]["name"] = json!("api");
    let (code, refused) = say(&admin, Method::PUT, SCALE, JSON, other).await;
    let message = "the name of the object (api) does not match the name on the URL (web)";
    assert_eq!((code, &refused["message"]), (400, &json!(message)));
    let mut other = scale(1);
    other["metadata"]["uid"] = json!("1");
    assert_eq!(say(&admin, Method::PUT, SCALE, JSON, other).await.0, 409);
    assert_eq!(say(&admin, Method::PATCH, SCALE, "text/plain", json!({})).await.0, 415);
    let (_, object) = send(&admin, Method::GET, WEB, JSON, "").await;
    assert_eq!(object["spec"]["replicas"], 2);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scale_has_a_table() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    assert_eq!(say(&admin, Method::POST, DEPLOYMENTS, JSON, web()).await.0, 201);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let request = Request::get(SCALE).header("accept", table).body(Full::default()).unwrap();
    let response = admin.clone().oneshot(request).await.unwrap();
    let table: Value = serde_json::from_str(&harness::text(response).await).unwrap();
    let names: Vec<&Value> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[..3], [json!("web"), json!(2), json!(0)]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn custom_resources_scale_by_their_own_path_and_stay_in_their_scope() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let paths = json!({"specReplicasPath": ".spec.leaves", "statusReplicasPath": ".status.leaves"});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "doors.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "doors", "kind": "Door"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": {"scale": paths}},
        ]},
    });
    assert_eq!(say(&admin, Method::POST, DEFINITIONS, JSON, definition).await.0, 201);
    let door = json!({"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": "a"}});
    until(&admin, Method::POST, DOORS, &door.to_string(), 201).await;

    let path = format!("{DOORS}/a/scale");
    let (code, refused) = say(&admin, Method::PATCH, &path, MERGE, json!({"metadata": {}})).await;
    let message = r#"the spec replicas field ".spec.leaves" cannot be empty"#;
    assert_eq!((code, &refused["message"]), (400, &json!(message)));
    // nobody is known to own anything, so upstream takes what is there, even the mark, for someone's
    let applied = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 4}});
    let apply = format!("{path}?fieldManager=m&force=true");
    let (code, scaled) = say(&admin, Method::PATCH, &apply, APPLY, applied).await;
    assert_eq!((code, &scaled["spec"]["replicas"]), (200, &json!(4)), "{scaled}");
    let (_, object) = send(&admin, Method::GET, &format!("{DOORS}/a"), JSON, "").await;
    assert_eq!(object["spec"]["leaves"], 4);
    let entry = &object["metadata"]["managedFields"][0];
    assert_eq!(entry["fieldsV1"], json!({"f:spec": {"f:leaves": {}}}), "{entry}");
    assert_eq!((&entry["apiVersion"], &entry["subresource"]), (&json!("example.com/v1"), &json!("scale")));

    // where nobody owns the replicas, an update through the scale does not begin to
    let other = json!({"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": "b"}, "spec": {"wide": 1}});
    assert_eq!(say(&admin, Method::POST, DOORS, JSON, other).await.0, 201);
    let (code, _) =
        say(&admin, Method::PATCH, &format!("{DOORS}/b/scale"), MERGE, json!({"spec": {"replicas": 2}})).await;
    let (_, object) = send(&admin, Method::GET, &format!("{DOORS}/b"), JSON, "").await;
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!((code, &object["spec"]["leaves"], managers.len()), (200, &json!(2), 1), "{object}");

    let table = Request::get(&path).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let table = admin.clone().oneshot(table.body(Full::from(String::new())).unwrap()).await.unwrap();
    let table: serde_json::Value = serde_json::from_str(&harness::text(table).await).unwrap();
    let names: Vec<_> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Name", "Desired", "Available", "Age"]);

    let (code, refused) = say(&admin, Method::PATCH, &format!("{DOORS}/a"), MERGE, json!({"kind": "Gate"})).await;
    let message = r#"Gate.example.com "a" is invalid: kind: Invalid value: "Gate": must be Door"#;
    assert_eq!((code, &refused["message"]), (422, &json!(message)));
    let request = Request::post("/apis/example.com/v1/doors").header("content-type", JSON);
    let response = admin.clone().oneshot(request.body(Full::from(door.to_string())).unwrap()).await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(harness::text(response).await, "404 page not found\n");
    server.shutdown().await;
}
