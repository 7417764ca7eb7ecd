//! Custom resources where they differ from built-in ones, or were seen to differ from what an apiextensions-apiserver 1.36.4
//! answered to the same requests.

mod harness;

use apiserver::InProcess;
use harness::{JSON, MERGE, admin, send, start};
use http::Method;
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const DOORS: &str = "/apis/example.com/v1/namespaces/default/doors";
const APPLY: &str = "application/apply-patch+yaml";

fn definition() -> Value {
    let spec = json!({"type": "object", "properties": {
        "a": {"type": "string"}, "kind": {"type": "string", "enum": ["z", "b"]}, "n": {"type": "integer"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "list": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "map": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
        "any": {"x-kubernetes-preserve-unknown-fields": true}}});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "doors.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "doors", "kind": "Door"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
}

fn door(name: &str, spec: Value) -> String {
    json!({"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": name}, "spec": spec}).to_string()
}

async fn define(admin: &InProcess) {
    assert_eq!(send(admin, Method::POST, DEFINITIONS, JSON, definition().to_string()).await.0, 201);
    harness::until(admin, Method::GET, DOORS, "", 200).await;
}

fn causes(status: &Value) -> Vec<(&str, &str)> {
    let causes = status["details"]["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    causes.iter().map(|cause| (cause["field"].as_str().unwrap(), cause["message"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_a_deletion_leaves_the_query_unread() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}).to_string();
    for name in ["asked", "told"] {
        assert_eq!(send(&admin, Method::POST, maps, JSON, map(name)).await.0, 201);
    }
    let delete = async |name: &str, body: &'static str| {
        send(&admin, Method::DELETE, &format!("{maps}/{name}?dryRun=All"), JSON, body).await.0
    };
    let get = async |name: &str| send(&admin, Method::GET, &format!("{maps}/{name}"), JSON, "").await.0;
    assert_eq!((delete("asked", "").await, get("asked").await), (200, 200));
    assert_eq!((delete("told", r#"{"kind":"DeleteOptions","apiVersion":"v1"}"#).await, get("told").await), (200, 404));
    assert_eq!(send(&admin, Method::GET, &format!("{maps}?timeoutSeconds=x"), JSON, "").await.0, 400);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nulls_are_pruned_where_they_are_decoded() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    define(&admin).await;
    let spec = json!({"a": null, "labels": {"x": null, "y": "1"}, "any": {"deep": {"q": 1}}});
    let (code, made) = send(&admin, Method::POST, DOORS, JSON, door("d", spec)).await;
    assert_eq!((code, &made["spec"]["labels"]), (201, &json!({"y": "1"})));
    // what has no type is owned by its parts
    let owned = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:any"];
    assert_eq!(owned, &json!({".": {}, "f:deep": {".": {}, "f:q": {}}}));
    // what server-side apply comes to is not decoded again
    let path = format!("{DOORS}/d?fieldManager=m");
    let (code, refused) = send(&admin, Method::PATCH, &path, APPLY, door("d", json!({"a": null}))).await;
    let words = r#"Invalid value: "null": spec.a in body must be of type string: "null""#;
    assert_eq!((code, causes(&refused)), (422, vec![("spec.a", words)]));
    let (code, refused) =
        send(&admin, Method::POST, DOORS, JSON, door("e", json!({"kind": "", "list": [], "map": {}}))).await;
    let large = json!({"n": 9_223_372_036_854_775_808_u64});
    let (_, not_whole) = send(&admin, Method::POST, DOORS, JSON, door("e", large)).await;
    let words = r#"Invalid value: "number": spec.n in body must be of type integer: "number""#;
    assert_eq!(causes(&not_whole)[0], ("spec.n", words));
    let expected = vec![
        ("spec.kind", r#"Unsupported value: "": supported values: "z", "b""#),
        ("spec.list", "Invalid value: 0: spec.list in body should have at least 1 items"),
        ("spec.map", "Invalid value: 0: spec.map in body should have at least 1 properties"),
    ];
    assert_eq!((code, causes(&refused)), (422, expected));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_are_checked_as_upstream_does() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    define(&admin).await;
    assert_eq!(send(&admin, Method::POST, DOORS, JSON, door("d", json!({}))).await.0, 201);
    let patch = async |body: Value| send(&admin, Method::PATCH, &format!("{DOORS}/d"), MERGE, body.to_string()).await;
    let (code, refused) = patch(json!({"metadata": {"finalizers": ["a b"]}})).await;
    assert_eq!((code, causes(&refused).len()), (422, 1));
    let (code, refused) = patch(json!({"metadata": {"labels": {"a b": "c"}}})).await;
    assert_eq!((code, causes(&refused).len()), (422, 3));
    let (code, refused) = patch(json!({"metadata": null})).await;
    let words = "the name of the object (d based on URL) was undeterminable: name must be provided";
    assert_eq!((code, refused["message"].as_str()), (400, Some(words)));
    let (code, refused) = patch(json!({"apiVersion": null})).await;
    let words = "Internal error occurred: Object 'apiVersion' is missing in 'object has no apiVersion field'";
    assert_eq!((code, refused["message"].as_str()), (500, Some(words)));
    assert_eq!(patch(json!({"kind": null})).await.0, 422);
    let put = async |metadata: Value| {
        let door = json!({"apiVersion": "example.com/v1", "kind": "Door", "metadata": metadata}).to_string();
        send(&admin, Method::PUT, &format!("{DOORS}/d"), JSON, door).await
    };
    let (code, refused) = put(json!({"name": "d", "resourceVersion": "x"})).await;
    assert_eq!((code, refused["message"].as_str()), (500, Some(r#"strconv.ParseUint: parsing "x": invalid syntax"#)));
    let (code, refused) = put(json!({"name": "d", "uid": "x"})).await;
    let words = "StorageError: invalid object, Code: 4, Key: /registry/example.com/doors/default/d, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: ";
    assert_eq!((code, refused["message"].as_str().unwrap().contains(words)), (409, true), "{refused}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_types_are_read_as_go_reads_them() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    define(&admin).await;
    let path = format!("{DOORS}?dryRun=All");
    for (kind, code) in
        [("application/JSON", 201), ("application/json; charset=utf-8", 201), ("application/json;x", 415)]
    {
        assert_eq!(send(&admin, Method::POST, &path, kind, door("d", json!({}))).await.0, code, "{kind}");
    }
    let strict = format!("{DOORS}?fieldValidation=Strict");
    let odd = json!({"apiVersion": "example.com/v1", "kind": "Door", "extra": 1, "metadata": {"name": "d", "bad": 1}});
    let (code, refused) = send(&admin, Method::POST, &strict, JSON, odd.to_string()).await;
    let words = r#"Door in version "v1" cannot be handled as a Door: strict decoding error: unknown field "metadata.bad", unknown field "extra""#;
    assert_eq!((code, refused["message"].as_str()), (400, Some(words)));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_of_other_types_are_refused_in_gos_words() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let refused = async |change: Value| {
        let mut definition = definition();
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = change;
        let (code, refused) = send(&admin, Method::POST, DEFINITIONS, JSON, definition.to_string()).await;
        (code, refused["message"].as_str().unwrap_or_default().to_owned())
    };
    let said = "CustomResourceDefinition in version \"v1\" cannot be handled as a CustomResourceDefinition: ";
    let words = format!("{said}boolean or JSON schema expected");
    assert_eq!(refused(json!({"type": "object", "additionalProperties": "x"})).await, (400, words));
    let words = format!(
        "{said}json: cannot unmarshal string into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.enum \
         of type []v1.JSON"
    );
    assert_eq!(refused(json!({"type": "object", "enum": "x"})).await, (400, words));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_new_comes_where_the_definition_goes() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    define(&admin).await;
    let held =
        json!({"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": "d", "finalizers": ["a.b/c"]}});
    assert_eq!(send(&admin, Method::POST, DOORS, JSON, held.to_string()).await.0, 201);
    let path = format!("{DEFINITIONS}/doors.example.com");
    assert_eq!(send(&admin, Method::DELETE, &path, JSON, "").await.0, 200);
    harness::until(&admin, Method::POST, DOORS, &door("e", json!({})), 403).await;
    let (_, refused) = send(&admin, Method::POST, DOORS, JSON, door("e", json!({}))).await;
    let words =
        r#"doors.example.com "e" is forbidden: create not allowed while custom resource definition is terminating"#;
    assert_eq!(refused["message"], words);
    server.shutdown().await;
}
