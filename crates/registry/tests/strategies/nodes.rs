//! Nodes, and what CSI drivers tell of themselves.

use super::*;
use expect_test::{Expect, expect};

const NODES: &str = "v1/nodes";
const DRIVERS: &str = "storage.k8s.io/v1/csidrivers";

/// A change as it is stored.
fn changed(path: &str, old: &Value, change: Value, subresource: Option<Subresource>) -> Value {
    let row = row(path);
    let mut new = with(old, change);
    row.strategy.prepare_for_update(&mut new, old, subresource);
    new
}

#[test]
fn nodes_are_warned_of() {
    let node = json!({"spec": {"externalID": "x", "podCIDRs": ["2001:DB8::/64"]}});
    expect![[r#"
        spec.externalID: this field is deprecated, and is unused by Kubernetes
        spec.podCIDRs[0]: IPv6 CIDR value "2001:DB8::/64" should be in RFC 5952 canonical format ("2001:db8::/64")"#]]
    .assert_eq(&warned(NODES, &node));
}

#[test]
fn configuration_of_kubelets_is_only_kept() {
    let node = json!({"spec": {"configSource": {}}, "status": {"config": {}}});
    let made = prepared(NODES, &node);
    assert!(made["spec"].get("configSource").is_none() && made["status"].get("config").is_none());
    let mut old = made.clone();
    old["spec"]["podCIDR"] = "10.0.0.0/24".into();
    let new = changed(NODES, &old, node.clone(), None);
    assert!(new["spec"].get("configSource").is_none());
    let new = changed(NODES, &old, node.clone(), Some(Subresource::Status));
    assert!(new["status"].get("config").is_none());
    let stored = with(&old, node.clone());
    assert_eq!(changed(NODES, &stored, json!({}), None), stored);
    assert_eq!(row(NODES).strategy.warnings(&stored, None), ["spec.configSource: the feature is removed"]);
}

#[test]
fn a_change_of_a_node_is_looked_at_as_a_new_node() {
    let node = json!({"metadata": {"name": "n"}});
    expect![[
        r#"spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#
    ]]
    .assert_eq(&updated(NODES, &node, &json!({"spec": {"podCIDR": "x"}})));
    // ... and then as a change: what both find comes twice.
    expect![[r#"
        metadata.taints[0].effect: Required value
        metadata.taints[0].effect: Required value"#]]
    .assert_eq(&updated(NODES, &node, &json!({"spec": {"taints": [{"key": "a"}]}})));
    assert_eq!(status_updated(NODES, &node, &json!({"status": {"capacity": {"cpu": "1"}}})), "ok");
}

#[test]
fn tokens_in_secrets_need_tokens() {
    let driver = |more: Value| with(&json!({"metadata": {"name": "d"}, "spec": {}}), json!({"spec": more}));
    let secrets = json!({"serviceAccountTokenInSecrets": false});
    expect!["spec.serviceAccountTokenInSecrets: Invalid value: false: serviceAccountTokenInSecrets is set but no tokenRequests are specified"]
        .assert_eq(&created(DRIVERS, &driver(secrets)));
    let both = json!({"serviceAccountTokenInSecrets": true, "tokenRequests": [{"audience": "a"}]});
    assert_eq!(created(DRIVERS, &driver(both)), "ok");
}

#[test]
fn drivers_count_their_changes_and_say_nothing_of_scheduling() {
    let mut driver = prepared(DRIVERS, &json!({"spec": {"preventPodSchedulingIfMissing": true}}));
    assert!(driver["spec"].get("preventPodSchedulingIfMissing").is_none());
    assert!(driver["metadata"].get("generation").is_none());
    driver = changed(DRIVERS, &driver, json!({"spec": {"podInfoOnMount": true}}), None);
    assert!(driver["metadata"].get("generation").is_none());
    driver = changed(DRIVERS, &driver, json!({"spec": {"requiresRepublish": true}}), None);
    assert_eq!(driver["metadata"]["generation"], 1);
    let change = json!({"spec": {"seLinuxMount": true, "preventPodSchedulingIfMissing": true}});
    driver = changed(DRIVERS, &driver, change, None);
    assert_eq!(driver["metadata"]["generation"], 2);
    assert!(driver["spec"].get("preventPodSchedulingIfMissing").is_none());
}

#[test]
fn annotations_of_old_are_looked_at() {
    let check = |name: &str, value: &str, want: Expect| {
        let name = format!("scheduler.alpha.kubernetes.io/{name}");
        want.assert_eq(&created("v1/nodes", &json!({"metadata": {"annotations": {name: value}}})));
    };
    check("taints", r#"[{"key": "a", "effect": "NoSchedule"}]"#, expect!["ok"]);
    check(
        "taints",
        r#"[{"key": "a", "effect": ""}]"#,
        expect!["metadata.annotations.scheduler.alpha.kubernetes.io/taints[0].effect: Required value"],
    );
    check(
        "taints",
        "7",
        expect![[
            r#"metadata.annotations: Invalid value: "scheduler.alpha.kubernetes.io/taints": json: cannot unmarshal number into Go value of type []core.Taint"#
        ]],
    );
    check(
        "preferAvoidPods",
        r#"{"preferAvoidPods": [{}, {"podSignature": {"podController": {"controller": false}}}]}"#,
        expect![[r#"
            metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required value
            metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[1].PodSignature.PodController.Controller: Invalid value: false: must point to a controller"#]],
    );
    check(
        "preferAvoidPods",
        "{",
        expect![[
            r#"metadata.annotations.AvoidPods: Invalid value: "scheduler.alpha.kubernetes.io/preferAvoidPods": unexpected end of JSON input"#
        ]],
    );
}
