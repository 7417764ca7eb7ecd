//! What is told of odd requests: as an apiextensions-apiserver 1.36.4 answered.

mod harness;

use apiserver::InProcess;
use harness::{JSON, MERGE, admin, send, start};
use http::Method;
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const GATES: &str = "/apis/example.com/v1/namespaces/default/gates";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON_PATCH: &str = "application/json-patch+json";
const YAML: &str = "application/yaml";

async fn define(admin: &InProcess) {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gates.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "gates", "kind": "Gate"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
             "subresources": {"status": {}}}]}});
    assert_eq!(send(admin, Method::POST, DEFINITIONS, JSON, definition.to_string()).await.0, 201);
    harness::until(admin, Method::GET, GATES, "", 200).await;
}

fn gate(name: &str) -> String {
    json!({"apiVersion": "example.com/v1", "kind": "Gate", "metadata": {"name": name}, "spec": {"a": 1}}).to_string()
}

fn message(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["message"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_are_read_where_there_is_something_to_patch() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    define(&admin).await;
    assert_eq!(send(&admin, Method::POST, GATES, JSON, gate("g")).await.0, 201);
    let patch = async |path: &str, media: &'static str, body: &'static str| {
        send(&admin, Method::PATCH, &format!("{GATES}/{path}"), media, body).await
    };
    let none = r#"gates.example.com "none" not found"#;
    for body in ["", "{", "null"] {
        assert_eq!(message(&patch("none", MERGE, body).await), (404, none));
    }
    let empty = "error decoding patch: unexpected end of JSON input";
    assert_eq!(message(&patch("g", MERGE, "").await), (400, empty));
    assert_eq!(message(&patch("g?fieldValidation=Ignore", MERGE, "").await), (400, "Invalid JSON Patch"));
    assert_eq!(message(&patch("g", MERGE, "null").await), (400, "Invalid JSON Patch"));
    // a custom resource is never written unseen
    let unseen = r#"gates.example.com "g" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"#;
    assert_eq!(message(&patch("g", MERGE, r#"{"metadata":{"resourceVersion":null}}"#).await), (422, unseen));
    assert_eq!(patch("g", MERGE, r#"{"kind":"X"}"#).await.0, 422);
    let status = patch("g/status", MERGE, r#"{"kind":"X","status":{"s":1}}"#).await;
    assert_eq!((status.0, &status.1["kind"], &status.1["status"]), (200, &json!("Gate"), &json!({"s": 1})));
    let twice = r#"[{"op":"add","op":"remove","path":"/spec/a"}]"#;
    let refused = patch("g?fieldValidation=Strict", JSON_PATCH, twice).await;
    assert!(
        message(&refused).1.ends_with(r#"strict decoding error: json patch duplicate field "[0].op""#),
        "{refused:?}"
    );
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_are_read_before_anything_else() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let get = async |query: &str| send(&admin, Method::GET, &format!("{MAPS}?{query}"), JSON, "").await;
    let limit = r#"strconv.ParseInt: parsing "x": invalid syntax"#;
    for query in ["limit=x&watch=1", "limit=x&resourceVersionMatch=Exact", "timeoutSeconds=x&labelSelector=("] {
        assert_eq!(message(&get(query).await), (400, limit), "{query}");
    }
    let revision = "invalid resource version: resourceVersion: Invalid value: \"18446744073709551616\": \
                    strconv.ParseUint: parsing \"18446744073709551616\": value out of range";
    assert_eq!(message(&get("resourceVersion=18446744073709551616").await), (400, revision));
    // an option of tables, and no table is asked for
    assert_eq!(
        get("includeObject=x&watch=1&timeoutSeconds=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
            .await
            .0,
        200
    );
    let other = "/api/v1/watch/namespaces/default/configmaps/a?timeoutSeconds=1&fieldSelector=metadata.name%3Db";
    let other = send(&admin, Method::GET, other, JSON, "").await;
    assert_eq!(message(&other), (400, "fieldSelector metadata.name doesn't match requested name"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_read_as_their_content_type_says() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    define(&admin).await;
    let twice = r#"{"apiVersion":"example.com/v1","kind":"Gate","metadata":{"name":"g"},"spec":{"a":1,"a":2}}"#;
    let post = async |media: &'static str, body: &str| {
        send(&admin, Method::POST, &format!("{GATES}?fieldValidation=Strict"), media, body.to_owned()).await
    };
    let words = "Gate in version \"v1\" cannot be handled as a Gate: strict decoding error: yaml: unmarshal errors:\n  \
                 line 1: key \"a\" already set in map";
    assert_eq!(message(&post(YAML, twice).await), (400, words));
    let array = r#"{"apiVersion":"example.com/v1","kind":"Gate","metadata":[]}"#;
    let words = "Gate in version \"v1\" cannot be handled as a Gate: json: cannot unmarshal array into Go value of type v1.ObjectMeta";
    assert_eq!(message(&post(JSON, array).await), (400, words));
    let delete = async |media: &'static str, body: &'static str| {
        send(&admin, Method::DELETE, &format!("{GATES}/g"), media, body).await
    };
    let scheme = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";
    let kind = format!("no kind \"X\" is registered for version \"meta.k8s.io/v1\" in scheme \"{scheme}\"");
    assert_eq!(message(&delete(JSON, r#"{"kind":"X"}"#).await), (400, kind.as_str()));
    let list = delete(JSON, "[]").await;
    let words =
        "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct {";
    assert!(list.0 == 400 && message(&list).1.starts_with(words), "{list:?}");
    let yaml = delete(YAML, "{").await;
    assert_eq!(message(&yaml), (400, "yaml: line 1: did not find expected node content"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_are_answered_in_the_form_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    define(&admin).await;
    assert_eq!(send(&admin, Method::POST, GATES, JSON, gate("g")).await.0, 201);
    let delete = async |path: &str, body: Value| send(&admin, Method::DELETE, path, JSON, body.to_string()).await;
    let one = format!("{GATES}/g");
    let policy = r#"DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "": supported values: "Foreground", "Background", "Orphan", "nil""#;
    assert_eq!(message(&delete(&one, json!({"propagationPolicy": ""})).await), (422, policy));
    let finalizers = json!({"metadata": {"finalizers": ["orphan", "x/y"]}}).to_string();
    assert_eq!(send(&admin, Method::PATCH, &one, MERGE, finalizers).await.0, 200);
    let (code, marked) = delete(&format!("{GATES}/g"), json!({"propagationPolicy": "Orphan", "dryRun": ["All"]})).await;
    assert_eq!((code, &marked["metadata"]["finalizers"]), (200, &json!(["orphan", "x/y"])));
    // a time of deletion cannot be made up
    let time = r#"{"metadata":{"deletionTimestamp":"2020-01-01T00:00:00Z"}}"#;
    let refused = send(&admin, Method::PATCH, &one, MERGE, time).await;
    let words = r#"Gate.example.com "g" is invalid: metadata.deletionTimestamp: Invalid value: "2020-01-01T00:00:00Z": field is immutable"#;
    assert_eq!(message(&refused), (422, words));
    let created = r#"{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z"}}"#;
    let (code, kept) = send(&admin, Method::PATCH, &one, MERGE, created).await;
    assert_eq!((code, &kept["metadata"]["creationTimestamp"]), (200, &marked["metadata"]["creationTimestamp"]));
    let table =
        harness::send_accepting(&admin, Method::DELETE, GATES, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!((table.0, &table.1["kind"], &table.1["rows"][0]["cells"][0]), (200, &json!("Table"), &json!("g")));
    server.shutdown().await;
}
