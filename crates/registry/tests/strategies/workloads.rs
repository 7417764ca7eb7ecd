//! Deployments and sets.

use super::*;
use expect_test::{Expect, expect};

const SETS: &str = "apps/v1/statefulsets";

fn set(change: Value) -> Value {
    let spec = json!({"selector": {"matchLabels": {"a": "b"}}, "serviceName": "s",
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}});
    json!({"spec": with(&spec, change)})
}

fn check(change: Value, want: Expect) {
    want.assert_eq(&created(SETS, &set(change)));
}

/// A set whose containers use a claim of it.
fn with_claim(claim: Value) -> Value {
    let container = json!({"name": "c", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    json!({"template": {"spec": {"containers": [container]}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}]})
}

#[test]
fn containers_of_stateful_sets_use_their_claims() {
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    check(with_claim(claim.clone()), expect!["ok"]);
    check(
        with_claim(json!({})),
        expect![[r#"
        spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required
        spec.volumeClaimTemplates[0].spec.resources[storage]: Required value"#]],
    );
    let block = json!({"template": {"spec": {"containers": [
        {"name": "c", "image": "i", "volumeDevices": [{"name": "data", "devicePath": "/dev/x"}]}]}}});
    check(with(&with_claim(with(&claim, json!({"volumeMode": "Block"}))), block), expect!["ok"]);
    let other = json!({"volumeClaimTemplates": [{"metadata": {"name": "other"}, "spec": claim}]});
    check(
        with(&with_claim(claim), other),
        expect![[r#"spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data""#]],
    );
}

#[test]
fn selectors_and_services_of_stateful_sets() {
    check(
        json!({"selector": null}),
        expect![[r#"
        spec.selector: Required value
        spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`"#]],
    );
    check(
        json!({"selector": {"matchLabels": null}}),
        expect!["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"],
    );
    check(
        json!({"selector": {"matchExpressions": [{"key": "a", "operator": "x"}]}}),
        expect![[r#"
        spec.selector.matchExpressions[0].operator: Invalid value: "x": not a valid selector operator
        spec.selector: Invalid value: {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"x"}]}"#]],
    );
    check(
        json!({"selector": {"matchLabels": {"a": "c"}}}),
        expect![[
            r#"spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`"#
        ]],
    );
    check(json!({"serviceName": "a.b"}), expect![[r#"spec.serviceName: Invalid value: "a.b": must not contain dots"#]]);
}

#[test]
fn what_was_stored_before_the_rules_may_stay() {
    let update = |stored: Value, change: Value, want: Expect| {
        want.assert_eq(&updated(SETS, &set(stored), &json!({"spec": change})));
    };
    update(json!({"serviceName": "a.b"}), json!({"replicas": 3}), expect!["ok"]);
    update(json!({"volumeClaimTemplates": [{"metadata": {"name": "x"}}]}), json!({"replicas": 3}), expect!["ok"]);
    update(json!({"template": {"spec": {"containers": []}}}), json!({"replicas": 3}), expect!["ok"]);
    update(
        json!({}),
        json!({"template": {"spec": {"containers": []}}}),
        expect!["spec.template.spec.containers: Required value"],
    );
    update(
        json!({}),
        json!({"serviceName": "t", "replicas": 3}),
        expect![
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        ],
    );
}

#[test]
fn status_of_replica_sets() {
    let set = set(json!({"serviceName": null}));
    let status = json!({"status": {"terminatingReplicas": -1, "readyReplicas": 2, "availableReplicas": 3}});
    expect![[r#"
        status.terminatingReplicas: Invalid value: -1: must be greater than or equal to 0
        status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas
        status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas
        status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas"#]]
    .assert_eq(&status_updated("apps/v1/replicasets", &set, &status));
}

#[test]
fn revisions_hold_an_object() {
    let revision = |data: Value| created("apps/v1/controllerrevisions", &json!({"revision": 1, "data": data}));
    assert_eq!(revision(json!({"a": 1})), "ok");
    expect!["data: Required value: data is mandatory"].assert_eq(&revision(Value::Null));
    for other in [json!("text"), json!(0), json!([1]), json!(true)] {
        expect![[r#"data: Invalid value: "<value omitted>": data must be a valid JSON object"#]]
            .assert_eq(&revision(other));
    }
}
