//! Answers, good and bad.

use super::*;
use std::collections::BTreeMap;

fn webhook(review_version: &str) -> ConversionWebhook {
    let versions = Versions { group: "example.com".into(), stored: "v1".into(), shapes: BTreeMap::new() };
    let spec = json!({"conversion": {"strategy": "Webhook", "webhook": {
        "clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v9", review_version]}}});
    ConversionWebhook::of(&spec, &Arc::new(versions)).unwrap()
}

fn original() -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"size": "1"}, "metadata": {
        "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "5", "labels": {"l": "1"}, "annotations": {"a": "1"}}})
}

fn converted() -> Value {
    json!({"apiVersion": "example.com/v2", "kind": "Widget", "spec": {"size": 1}, "metadata": {
        "name": "a", "namespace": "n", "uid": "u", "labels": {"l": "2"}, "finalizers": ["mine"]}})
}

fn accept(response: Value) -> Result<Vec<Value>, String> {
    let review = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response});
    let answer = serde_json::to_vec(&review).unwrap();
    webhook("v1").accept("id", &answer, &[original()], "v2").map_err(|error| error.to_string())
}

fn accept_object(object: Value) -> Result<Vec<Value>, String> {
    accept(json!({"uid": "id", "result": {"status": "Success"}, "convertedObjects": [object]}))
}

#[test]
fn labels_and_annotations_are_the_webhooks_and_nothing_else_of_metadata() {
    let wanted = json!({"apiVersion": "example.com/v2", "kind": "Widget", "spec": {"size": 1}, "metadata": {
        "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "5", "labels": {"l": "2"}}});
    assert_eq!(accept_object(converted()), Ok(vec![wanted]));
}

#[test]
fn answers_must_be_answers() {
    let failed = |why: &str| Err(format!("conversion webhook for example.com/v1, Kind=Widget failed: {why}"));
    assert_eq!(accept(Value::Null), failed("no response provided"));
    assert_eq!(accept(json!({"uid": "other"})), failed(r#"expected response.uid="id", got "other""#));
    let result = |result: Value| accept(json!({"uid": "id", "result": result}));
    assert_eq!(result(json!({"status": "Failed", "message": "no way"})), failed("no way"));
    assert_eq!(result(json!({})), failed("response.result.status was '', not 'Success'"));
    let count = "conversion webhook for example.com/v1, Kind=Widget returned 0 objects, expected 1";
    assert_eq!(result(json!({"status": "Success"})), Err(count.to_owned()));
    let other = webhook("v1").accept("id", b"{}", &[original()], "v2").unwrap_err().to_string();
    let words = "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got , Kind=";
    assert_eq!(Err::<Vec<Value>, _>(other), failed(words));
    let broken = webhook("v1").accept("id", b"{", &[original()], "v2").unwrap_err().to_string();
    assert!(broken.contains("couldn't get version/kind; json parse error: "), "{broken}");
}

#[test]
fn the_old_review_needs_neither_kind_nor_uid() {
    let answer = json!({"response": {"result": {"status": "Success"}, "convertedObjects": [converted()]}});
    let answer = serde_json::to_vec(&answer).unwrap();
    assert_eq!(webhook("v1beta1").accept("id", &answer, &[original()], "v2").unwrap().len(), 1);
    assert_eq!(webhook("v1beta1").request("id", &[], "v2")["apiVersion"], "apiextensions.k8s.io/v1beta1");
}

#[test]
fn objects_must_be_the_same() {
    let with = |change: fn(&mut Value)| {
        let mut object = converted();
        change(&mut object);
        accept_object(object).unwrap_err()
    };
    let begin = "conversion webhook for example.com/v1, Kind=Widget returned invalid ";
    for (change, words) in [
        (
            (|o| o["apiVersion"] = "example.com/v3".into()) as fn(&mut Value),
            "object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
        ),
        (|o| o["kind"] = "Other".into(), "object at index 0: invalid kind (expected Widget, received Other)"),
        (|o| o["metadata"]["name"] = "b".into(), "object: must have the same name: a != b"),
        (|o| o["metadata"]["namespace"] = "m".into(), "object: must have the same namespace: n != m"),
        (|o| o["metadata"]["uid"] = "v".into(), "object: must have the same UID: u != v"),
        (
            |o| o["metadata"]["labels"] = json!({"l": 1}),
            "metadata: metadata.labels[l] must be a string, but is int64 in converted object",
        ),
        (
            |o| o["metadata"]["annotations"] = json!([]),
            "metadata: invalid metadata.annotations of type []interface {} in converted object",
        ),
    ] {
        assert_eq!(with(change), format!("{begin}{words}"));
    }
    let label = with(|o| o["metadata"]["labels"] = json!({"l": "no label"}));
    assert!(label.starts_with(&format!("{begin}metadata: metadata.labels: Invalid value: \"no label\": ")), "{label}");
    assert_eq!(accept_object(json!({"a": 1})).unwrap_err(), "Object 'Kind' is missing in '{\"a\":1}'");
}
