//! Custom resources whose versions a webhook converts, asked over HTTPS on loopback.

mod harness;
mod hook;

use apiserver::InProcess;
use harness::{Events, JSON, MERGE, admin, call, send, start};
use hook::Hook;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// How long a condition is waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn gadgets(version: &str) -> String {
    format!("/apis/example.com/{version}/namespaces/default/gadgets")
}

/// `v1` has the size as text, `v2` as a number.
fn definition(client: &Value) -> Value {
    let version = |name: &str, kind: &str, stored: bool| {
        json!({"name": name, "served": true, "storage": stored,
        "selectableFields": [{"jsonPath": ".spec.size"}],
        "additionalPrinterColumns": [{"name": "Size", "type": "string", "jsonPath": ".spec.size"}],
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": kind}}}}}}})
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [version("v1", "string", true), version("v2", "integer", false)],
            "conversion": {"strategy": "Webhook",
                "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}},
    })
}

/// How many objects each review asked for.
type Asked = Arc<Mutex<Vec<usize>>>;

fn converted(object: &Value, wanted: &str) -> Value {
    let mut object = object.clone();
    let size = &object["spec"]["size"];
    let size = if wanted.ends_with("v2") {
        json!(size.as_str().unwrap().parse::<i64>().unwrap())
    } else {
        json!(size.as_i64().unwrap().to_string())
    };
    object["spec"] = json!({"size": size, "unknown": true});
    object["apiVersion"] = wanted.into();
    object["metadata"]["labels"] = json!({"converted": "yes"});
    object["metadata"]["finalizers"] = json!(["webhooks.example.com/cannot-do-this"]);
    object
}

async fn hook() -> (Hook, Asked) {
    let asked = Asked::default();
    let counted = asked.clone();
    let hook = Hook::start(move |_, review| {
        let objects = review["request"]["objects"].as_array().unwrap();
        counted.lock().unwrap().push(objects.len());
        if objects.iter().any(|object| object["metadata"]["name"] == "bad") {
            return json!({"result": {"status": "Failed", "message": "it is bad"}});
        }
        let wanted = review["request"]["desiredAPIVersion"].as_str().unwrap();
        let objects: Vec<Value> = objects.iter().map(|object| converted(object, wanted)).collect();
        json!({"result": {"status": "Success"}, "convertedObjects": objects})
    });
    (hook.await, asked)
}

async fn until_served(service: &InProcess, path: &str) {
    let clock = clock::system();
    let asked = async {
        while send(service, Method::GET, path, JSON, "").await.0 == 404 {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(&*clock, PATIENCE, asked).await.expect("the resource is served");
}

async fn until_gone(service: &InProcess, path: &str) {
    let clock = clock::system();
    let asked = async {
        while send(service, Method::GET, path, JSON, "").await.0 != 404 {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(&*clock, PATIENCE, asked).await.expect("the version is gone");
}

async fn define(service: &InProcess, client: &Value) {
    let (code, body) = send(service, Method::POST, DEFINITIONS, JSON, definition(client).to_string()).await;
    assert_eq!(code, 201, "{body}");
    until_served(service, &gadgets("v2")).await;
}

fn gadget(version: &str, name: &str, size: Value) -> String {
    json!({"apiVersion": format!("example.com/{version}"), "kind": "Gadget", "metadata": {"name": name},
        "spec": {"size": size}})
    .to_string()
}

async fn make(service: &InProcess, version: &str, name: &str, size: Value) -> Value {
    let (code, made) = send(service, Method::POST, &gadgets(version), JSON, gadget(version, name, size)).await;
    assert_eq!(code, 201, "{made}");
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_version_reads_and_writes_in_its_own_form() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = admin(&server);
    let (hook, asked) = hook().await;
    define(&service, &json!({"url": hook.url("/"), "caBundle": hook.ca_bundle()})).await;
    make(&service, "v1", "a", "3".into()).await;
    assert!(asked.lock().unwrap().is_empty(), "the stored version needs no webhook");
    let one = format!("{}/a", gadgets("v2"));
    let (code, second) = send(&service, Method::GET, &one, JSON, "").await;
    assert_eq!((code, &second["spec"]), (200, &json!({"size": 3})), "{second}");
    assert_eq!(second["metadata"]["labels"], json!({"converted": "yes"}));
    assert_eq!(second["metadata"]["finalizers"], Value::Null, "a webhook cannot do that");
    for _ in 0..3 {
        assert_eq!(send(&service, Method::GET, &one, JSON, "").await.1, second);
    }
    assert_eq!(*asked.lock().unwrap(), [1], "what was converted once is kept");
    // A write in the other version is stored as the first, and its answer is in the other again.
    let (code, patched) = send(&service, Method::PATCH, &one, MERGE, r#"{"spec":{"size":40}}"#).await;
    assert_eq!((code, &patched["spec"]), (200, &json!({"size": 40})), "{patched}");
    let (_, first) = send(&service, Method::GET, &format!("{}/a", gadgets("v1")), JSON, "").await;
    assert_eq!((&first["spec"], &first["apiVersion"]), (&json!({"size": "40"}), &json!("example.com/v1")));
    let made = make(&service, "v2", "b", 5.into()).await;
    assert_eq!(made["spec"], json!({"size": 5}));
    // Lists, tables and selectors.
    let (_, list) = send(&service, Method::GET, &gadgets("v2"), JSON, "").await;
    let sizes: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["spec"]["size"]).collect();
    assert_eq!(sizes, [40, 5]);
    assert_eq!((&list["kind"], &list["items"][0]["apiVersion"]), (&json!("GadgetList"), &json!("example.com/v2")));
    let selected = format!("{}?fieldSelector=spec.size%3D5", gadgets("v2"));
    let (_, list) = send(&service, Method::GET, &selected, JSON, "").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    let (code, _) = send(&service, Method::DELETE, &one, JSON, "").await;
    assert_eq!(code, 200);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_one_question_and_a_watch_asks_once_for_all_watchers() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = admin(&server);
    let (hook, asked) = hook().await;
    define(&service, &json!({"url": hook.url("/"), "caBundle": hook.ca_bundle()})).await;
    const COUNT: usize = 30;
    for number in 0..COUNT {
        make(&service, "v1", &format!("g{number}"), number.to_string().into()).await;
    }
    let (_, list) = send(&service, Method::GET, &gadgets("v2"), JSON, "").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(COUNT));
    assert_eq!(*asked.lock().unwrap(), [COUNT]);
    let watch = format!("{}?watch=1", gadgets("v2"));
    let mut watches = Vec::new();
    for _ in 0..4 {
        watches.push(Events::of(call(&service, Method::GET, &watch, JSON, "").await));
    }
    for events in &mut watches {
        for _ in 0..COUNT {
            let event = events.next().await;
            assert_eq!((&event["type"], event["object"]["spec"]["size"].is_i64()), (&json!("ADDED"), true), "{event}");
        }
    }
    assert_eq!(asked.lock().unwrap().len(), 1, "what the list was told is not asked again");
    make(&service, "v1", "late", "77".into()).await;
    for events in &mut watches {
        let event = events.next().await;
        assert_eq!((&event["type"], &event["object"]["spec"]), (&json!("ADDED"), &json!({"size": 77})), "{event}");
    }
    assert_eq!(*asked.lock().unwrap(), [COUNT, 1]);
    // Objects enter and leave a selection by a field that only the other version has in this form.
    let selected = format!("{watch}&fieldSelector=spec.size%3D77");
    let mut some = Events::of(call(&service, Method::GET, &selected, JSON, "").await);
    assert_eq!(some.next().await["object"]["metadata"]["name"], "late");
    let late = format!("{}/late", gadgets("v1"));
    assert_eq!(send(&service, Method::PATCH, &late, MERGE, r#"{"spec":{"size":"78"}}"#).await.0, 200);
    let event = some.next().await;
    assert_eq!((&event["type"], &event["object"]["spec"]), (&json!("DELETED"), &json!({"size": 77})), "{event}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_converted_is_an_error_in_upstreams_words() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = admin(&server);
    let (hook, _) = hook().await;
    define(&service, &json!({"url": hook.url("/"), "caBundle": hook.ca_bundle()})).await;
    let mut watch = Events::of(call(&service, Method::GET, &format!("{}?watch=1", gadgets("v2")), JSON, "").await);
    make(&service, "v1", "bad", "1".into()).await;
    let words = "conversion webhook for example.com/v1, Kind=Gadget failed: it is bad";
    for path in [format!("{}/bad", gadgets("v2")), gadgets("v2")] {
        let (code, status) = send(&service, Method::GET, &path, JSON, "").await;
        assert_eq!((code, &status["message"]), (500, &json!(words)), "{status}");
    }
    let event = watch.next().await;
    assert_eq!((&event["type"], &event["object"]["message"]), (&json!("ERROR"), &json!(words)), "{event}");
    // The stored version goes on.
    assert_eq!(send(&service, Method::GET, &format!("{}/bad", gadgets("v1")), JSON, "").await.0, 200);
    // Nothing is written that could not be stored.
    let (code, status) = send(&service, Method::POST, &gadgets("v2"), JSON, gadget("v2", "bad", 1.into())).await;
    assert_ne!(code, 201, "{status}");
    // A webhook that is not there.
    let url = hook.url("/");
    drop(hook);
    make(&service, "v1", "lonely", "1".into()).await;
    let (code, status) = send(&service, Method::GET, &format!("{}/lonely", gadgets("v2")), JSON, "").await;
    let begin = format!("conversion webhook for example.com/v1, Kind=Gadget failed: Post {url:?}: ");
    assert!(code == 500 && status["message"].as_str().unwrap().starts_with(&begin), "{status}");
    // Without it the versions differ in their names alone, and what was kept of it is forgotten.
    let plain = r#"{"spec":{"conversion":{"strategy":"None","webhook":null}}}"#;
    let path = format!("{DEFINITIONS}/gadgets.example.com");
    assert_eq!(send(&service, Method::PATCH, &path, MERGE, plain).await.0, 200);
    let clock = clock::system();
    let converted = async {
        while send(&service, Method::GET, &format!("{}/lonely", gadgets("v2")), JSON, "").await.0 != 200 {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(&*clock, PATIENCE, converted).await.expect("the definition's change is seen");
    let (_, lonely) = send(&service, Method::GET, &format!("{}/lonely", gadgets("v2")), JSON, "").await;
    assert_eq!((&lonely["apiVersion"], &lonely["spec"]), (&json!("example.com/v2"), &json!({"size": "1"})));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_for_one_version_is_asked_about_the_others_too() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = admin(&server);
    let (hook, _) = hook().await;
    define(&service, &json!({"url": hook.url("/"), "caBundle": hook.ca_bundle()})).await;
    let admission = "/apis/admissionregistration.k8s.io/v1";
    let rules = json!([{"apiGroups": ["example.com"], "apiVersions": ["v2"], "operations": ["CREATE"],
        "resources": ["gadgets"]}]);
    let policy = json!({"metadata": {"name": "small"}, "spec": {"matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": "object.spec.size < 10", "message": "too large"}]}});
    let binding = json!({"metadata": {"name": "small"},
        "spec": {"policyName": "small", "validationActions": ["Deny"]}});
    for (plural, object) in [("validatingadmissionpolicies", policy), ("validatingadmissionpolicybindings", binding)] {
        let path = format!("{admission}/{plural}");
        assert_eq!(send(&service, Method::POST, &path, JSON, object.to_string()).await.0, 201);
    }
    let (code, status) = send(&service, Method::POST, &gadgets("v1"), JSON, gadget("v1", "a", "11".into())).await;
    assert!(code == 422 && status["message"].as_str().unwrap().ends_with("denied request: too large"), "{status}");
    make(&service, "v1", "a", "9".into()).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_owns_what_is_judged_in_the_version_that_they_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let service = admin(&server);
    let (hook, asked) = hook().await;
    define(&service, &json!({"url": hook.url("/"), "caBundle": hook.ca_bundle()})).await;
    let apply = async |version: &str, manager: &str, size: Value| {
        let path = format!("{}/a?fieldManager={manager}", gadgets(version));
        send(&service, Method::PATCH, &path, "application/apply-patch+yaml", gadget(version, "a", size)).await
    };
    assert_eq!(apply("v1", "first", "3".into()).await.0, 201);
    let (code, conflict) = apply("v2", "second", 4.into()).await;
    let message = r#"Apply failed with 1 conflict: conflict with "first": .spec.size"#;
    assert_eq!((code, &conflict["message"]), (409, &json!(message)));
    // The stored object in the version of the request; then that and what it would become in the version of `first`.
    assert_eq!(*asked.lock().unwrap(), [1, 1, 1]);
    // The same in the other version's form is the same.
    let (code, shared) = apply("v2", "second", 3.into()).await;
    assert_eq!(code, 200, "{shared}");
    let entries = shared["metadata"]["managedFields"].as_array().unwrap();
    let versions: Vec<&Value> = entries.iter().map(|entry| &entry["apiVersion"]).collect();
    assert_eq!(versions, ["example.com/v2", "example.com/v1"], "{shared}");
    // A version that is no longer served is still one of the resource's.
    let path = format!("{DEFINITIONS}/gadgets.example.com");
    let (_, mut definition) = send(&service, Method::GET, &path, JSON, "").await;
    definition["spec"]["versions"][1]["served"] = json!(false);
    assert_eq!(send(&service, Method::PUT, &path, JSON, definition.to_string()).await.0, 200);
    until_gone(&service, &gadgets("v2")).await;
    let path = format!("{}/a?fieldManager=u", gadgets("v1"));
    let (code, labelled) = send(&service, Method::PATCH, &path, MERGE, r#"{"metadata":{"labels":{"a":"b"}}}"#).await;
    assert_eq!(code, 200, "{labelled}");
    let entries = labelled["metadata"]["managedFields"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["apiVersion"] == "example.com/v2"), "{labelled}");
    server.shutdown().await;
}
