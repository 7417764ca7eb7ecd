//! Quotas and limit ranges.

use super::*;
use expect_test::{Expect, expect};

const QUOTA: &str = "v1/resourcequotas";
const RANGE: &str = "v1/limitranges";

fn selected(hard: Value, expressions: Value) -> String {
    created(QUOTA, &json!({"spec": {"hard": hard, "scopeSelector": {"matchExpressions": expressions}}}))
}

#[test]
fn a_selected_scope_fits_what_is_counted() {
    let best = json!([{"scopeName": "BestEffort", "operator": "Exists"}]);
    assert_eq!(selected(json!({"pods": "1"}), best.clone()), "ok");
    expect![[r#"spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"BestEffort","Operator":"Exists","Values":null}]}: unsupported scope applied to resource"#]]
    .assert_eq(&selected(json!({"cpu": "1"}), best));
    let classes = json!([{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]);
    assert_eq!(selected(json!({"cpu": "1", "pods": "1", "count/deployments.apps": "1"}), classes.clone()), "ok");
    assert!(selected(json!({"ephemeral-storage": "1"}), classes).contains("unsupported scope applied to resource"));
}

#[test]
fn opposite_scopes_cannot_both_be_selected() {
    let both = json!([{"scopeName": "BestEffort", "operator": "Exists"}, {"scopeName": "NotBestEffort", "operator": "Exists"}]);
    expect!["spec.scopeSelector.matchExpressions: Invalid value: null: conflicting scopes"]
        .assert_eq(&selected(json!({"pods": "1"}), both));
    let unknown = json!([{"scopeName": "X", "operator": "In", "values": ["a"]}]);
    expect![[r#"spec.scopeSelector.matchExpressions.scopeName: Invalid value: "X": unsupported scope"#]]
        .assert_eq(&selected(json!({"pods": "1"}), unknown));
}

#[test]
fn huge_pages_are_asked_for_but_not_limited() {
    let quota = |name: &str| created(QUOTA, &json!({"spec": {"hard": {name: "1"}}}));
    assert_eq!(quota("hugepages-2Mi"), "ok");
    assert_eq!(quota("requests.hugepages-2Mi"), "ok");
    expect![[r#"
        spec.hard[limits.hugepages-2Mi]: Invalid value: "limits.hugepages-2Mi": must be a standard resource type or fully qualified
        spec.hard[limits.hugepages-2Mi]: Invalid value: "limits.hugepages-2Mi": must be a standard resource for quota"#]]
    .assert_eq(&quota("limits.hugepages-2Mi"));
}

#[test]
fn limits_of_containers_are_of_what_containers_use() {
    let range = |kind: &str| created(RANGE, &json!({"spec": {"limits": [{"type": kind, "max": {"storage": "1"}}]}}));
    assert_eq!(range("PersistentVolumeClaim"), "ok");
    expect![[r#"spec.limits[0].max[storage]: Invalid value: "storage": must be a standard resource for containers"#]]
        .assert_eq(&range("Pod"));
    let native = json!({"spec": {"limits": [{"type": "Pod", "max": {"requests.example.com/gpu": "1"}}]}});
    expect![[r#"spec.limits[0].max[requests.example.com/gpu]: Invalid value: "requests.example.com/gpu": doesn't follow extended resource name standard"#]]
        .assert_eq(&created(RANGE, &native));
}

#[test]
fn limits_of_what_cannot_be_promised_twice() {
    let range = |kind: &str, more: Value| json!({"spec": {"limits": [with(&json!({"type": kind}), more)]}});
    let check = |kind: &str, more: Value, want: Expect| want.assert_eq(&created("v1/limitranges", &range(kind, more)));
    check(
        "Container",
        json!({"default": {"example.com/gpu": "2"}, "defaultRequest": {"example.com/gpu": "1"}}),
        expect![[
            r#"spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in example.com/gpu"#
        ]],
    );
    // what a pod cannot have is refused, and not looked at further
    check(
        "Pod",
        json!({"default": {"cpu": "2"}, "max": {"cpu": "1"}}),
        expect!["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
    );
}
