//! Validation of metadata in upstream's words.

use api::field::ErrorList;
use api::names;
use api::objectmeta::{validate, validate_update};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

fn check(errors: ErrorList, expected: Expect) {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    expected.assert_eq(&texts.join("\n"));
}

fn created(metadata: Value) -> ErrorList {
    validate(&json!({"metadata": metadata}), true, names::name_is_dns_subdomain)
}

#[test]
fn new_objects() {
    check(created(json!({"name": "a", "namespace": "n"})), expect![""]);
    check(
        created(json!({})),
        expect![[r#"
        metadata.name: Required value: name or generateName is required
        metadata.namespace: Required value"#]],
    );
    check(
        created(json!({"name": "A", "generateName": "ab-", "namespace": "n.n", "generation": -1})),
        expect![[r#"
        metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        metadata.namespace: Invalid value: "n.n": must not contain dots
        metadata.generation: Invalid value: -1: must be greater than or equal to 0"#]],
    );
    check(
        created(json!({"name": "a", "namespace": "n", "labels": {"a": "b c"}, "annotations": {"A/b": "x", "/": ""}})),
        expect![[r#"
        metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        metadata.annotations: Invalid value: "/": prefix part must be non-empty
        metadata.annotations: Invalid value: "/": name part must be non-empty
        metadata.annotations: Invalid value: "/": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#]],
    );
    check(
        created(json!({"name": "a", "namespace": "n", "annotations": {"a": "x".repeat(300_000)}})),
        expect!["metadata.annotations: Too long: may not be more than 262144 bytes"],
    );
    check(
        created(json!({"name": "a", "namespace": "n", "finalizers": ["orphan", "foregroundDeletion"]})),
        expect![[
            r#"metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set"#
        ]],
    );
    check(
        created(json!({"name": "a", "namespace": "n", "managedFields": [{"operation": "Get", "manager": "x\n"}]})),
        expect![[r#"
        metadata.managedFields[0].operation: Invalid value: "Get": must be `Apply` or `Update`
        metadata.managedFields[0].manager: Invalid value: "x\n": invalid character U+000A (at position 1)"#]],
    );
}

#[test]
fn owners() {
    let owner = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": "u", "controller": true});
    check(
        created(json!({"name": "a", "namespace": "n", "ownerReferences": [owner("x"), owner("y")]})),
        expect![[
            r#"metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"Pod","name":"x","uid":"u","controller":true},{"apiVersion":"v1","kind":"Pod","name":"y","uid":"u","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for Pod/x and Pod/y"#
        ]],
    );
    check(
        created(json!({"name": "a", "namespace": "n", "ownerReferences": [{}]})),
        expect![[r#"
        metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty
        metadata.ownerReferences.kind: Invalid value: "": must not be empty
        metadata.ownerReferences.name: Invalid value: "": must not be empty
        metadata.ownerReferences.uid: Invalid value: "": must not be empty"#]],
    );
}

#[test]
fn changed_objects() {
    let old = json!({"metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 2, "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}});
    let new = json!({"metadata": {"name": "b", "namespace": "n", "generation": 1, "finalizers": ["a/b", "c/d"]}});
    check(
        validate_update(&new, &old),
        expect![[r#"
        metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}
        metadata.resourceVersion: Invalid value: "": must be specified for an update
        metadata.generation: Invalid value: 1: must not be decremented
        metadata.name: Invalid value: "b": field is immutable
        metadata.uid: Invalid value: "": field is immutable
        metadata.deletionTimestamp: Invalid value: null: field is immutable"#]],
    );
}
