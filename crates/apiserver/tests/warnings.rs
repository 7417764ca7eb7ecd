//! `Warning` headers: of what is tolerated, and of what comes twice.

mod harness;

use apiserver::{Body, InProcess};
use harness::{JSON, MERGE, PATIENCE, admin, call, start, text, until};
use http::{Method, Response};
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const DOORS: &str = "/apis/example.com/v1/namespaces/default/doors";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const APPLY: &str = "application/apply-patch+yaml";
const YAML: &str = "application/yaml";

fn warnings(response: &Response<Body>) -> Vec<String> {
    let words = |value: &http::HeaderValue| value.to_str().unwrap().trim_start_matches("299 - ").to_owned();
    response.headers().get_all("warning").iter().map(words).collect()
}

fn doors(rules: Value) -> Value {
    let spec = json!({"type": "object", "properties": {"size": {"type": "integer", "x-kubernetes-validations": rules},
        "color": {"type": "string"}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "doors.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "doors", "kind": "Door"}, "versions": [
            {"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}},
        ]},
    })
}

/// Changes a door until the new rules are in force: upstream too takes a moment.
async fn until_warned(admin: &InProcess) -> Vec<String> {
    let clock = clock::system();
    let asked = async {
        for count in 0.. {
            let change = json!({"spec": {"color": count.to_string()}}).to_string();
            let response = call(admin, Method::PATCH, &format!("{DOORS}/a"), MERGE, change).await;
            assert_eq!(response.status(), 200);
            if !warnings(&response).is_empty() {
                return warnings(&response);
            }
        }
        Vec::new()
    };
    clock::timeout(&*clock, PATIENCE, asked).await.expect("the new rules are in force")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_before_a_rule_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let response = call(&admin, Method::POST, DEFINITIONS, JSON, doors(json!([])).to_string()).await;
    assert_eq!(response.status(), 201);
    let door = json!({"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": "a"}, "spec": {"size": 9}});
    until(&admin, Method::POST, DOORS, &door.to_string(), 201).await;
    let rules = doors(json!([{"rule": "self < 5", "message": "too large"}]));
    let versions = json!({"spec": {"versions": rules["spec"]["versions"]}}).to_string();
    let path = format!("{DEFINITIONS}/doors.example.com");
    assert_eq!(call(&admin, Method::PATCH, &path, MERGE, versions).await.status(), 200);
    assert_eq!(until_warned(&admin).await, [r#""spec.size: Invalid value: 9: too large""#]);
    let larger = json!({"spec": {"size": 10}}).to_string();
    let response = call(&admin, Method::PATCH, &format!("{DOORS}/a"), MERGE, larger).await;
    assert_eq!(response.status(), 422);
    let finalizer = json!({"metadata": {"finalizers": ["mine"]}}).to_string();
    let response = call(&admin, Method::PATCH, &format!("{DOORS}/a?dryRun=All"), MERGE, finalizer).await;
    assert!(warnings(&response)[1].contains("prefer a domain-qualified finalizer name"), "{:?}", warnings(&response));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_come_twice_are_named_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: x\n  k: y\n  k: z\n";
    let twice = [r#""line 7: key \"k\" already set in map""#, r#""line 8: key \"k\" already set in map""#];
    let response = call(&admin, Method::POST, MAPS, YAML, map).await;
    assert_eq!((response.status().as_u16(), warnings(&response)), (201, twice.map(str::to_owned).to_vec()));
    let apply = |query: &str| format!("{MAPS}/a?fieldManager=m&force=true{query}");
    let response = call(&admin, Method::PATCH, &apply(""), APPLY, map).await;
    assert_eq!((response.status().as_u16(), warnings(&response)), (200, twice.map(str::to_owned).to_vec()));
    let response = call(&admin, Method::PATCH, &apply("&fieldValidation=Ignore"), APPLY, map).await;
    assert_eq!((response.status().as_u16(), warnings(&response).len()), (200, 0));
    let response = call(&admin, Method::PATCH, &apply("&fieldValidation=Strict"), APPLY, map).await;
    assert_eq!(response.status(), 400);
    let refused: Value = serde_json::from_str(&text(response).await).unwrap();
    let words = "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 7: key \"k\" \
                 already set in map\n  line 8: key \"k\" already set in map";
    assert_eq!(refused["message"], words);
    let response = call(&admin, Method::PATCH, &apply(""), APPLY, "[]").await;
    let refused: Value = serde_json::from_str(&text(response).await).unwrap();
    let words = "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value \
                 of type map[string]interface {}";
    assert_eq!(refused["message"], words);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_that_are_named_twice_are_named_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"});
    let metadata = json!({"name": "a", "ownerReferences": [owner, owner]});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}).to_string();
    let response = call(&admin, Method::POST, MAPS, JSON, map).await;
    assert_eq!(response.status(), 201);
    let said = warnings(&response);
    assert!(said.len() == 1 && said[0].contains("contains duplicate entries; API server dedups"), "{said:?}");
    let made: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(made["metadata"]["ownerReferences"], json!([owner]));
    let again = json!([{"op": "add", "path": "/metadata/ownerReferences/-", "value": owner}]).to_string();
    let response = call(&admin, Method::PATCH, &format!("{MAPS}/a"), "application/json-patch+json", again).await;
    assert_eq!(response.status(), 200);
    assert!(warnings(&response)[0].contains("after mutating admission happens"), "{:?}", warnings(&response));
    server.shutdown().await;
}
