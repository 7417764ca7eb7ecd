//! What a namespace's labels mean, and what of its pods they concern.

use super::*;
use expect_test::{Expect, expect};
use serde_json::json;
use std::sync::Arc;

fn labels(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(key, value)| (format!("{PREFIX}{key}"), Value::from(*value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn policy(pairs: &[(&str, &str)], want: Expect) {
    let policy = Policy::of(&labels(pairs));
    let errors: Vec<String> = policy.errors.iter().map(ToString::to_string).collect();
    want.assert_eq(&format!("enforce={} warn={} {}", policy.enforce, policy.warn, errors.join("; ")));
}

#[test]
fn who_enforces_also_warns() {
    policy(&[], expect!["enforce=privileged:latest warn=privileged:latest "]);
    policy(
        &[("enforce", "baseline"), ("enforce-version", "v1.25")],
        expect!["enforce=baseline:v1.25 warn=baseline:v1.25 "],
    );
    policy(
        &[("enforce", "baseline"), ("enforce-version", "v1.25"), ("warn-version", "v1.30")],
        expect!["enforce=baseline:v1.25 warn=baseline:v1.30 "],
    );
    policy(
        &[("enforce", "restricted"), ("warn", "privileged")],
        expect!["enforce=restricted:latest warn=privileged:latest "],
    );
    policy(&[("warn", "restricted")], expect!["enforce=privileged:latest warn=restricted:latest "]);
}

#[test]
fn typing_errors_enforce_the_strictest_and_warn_of_nothing() {
    policy(
        &[("enforce", "base")],
        expect![[
            r#"enforce=restricted:latest warn=privileged:latest metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "base": must be one of privileged, baseline, restricted"#
        ]],
    );
    policy(
        &[("warn", "high"), ("warn-version", "1.30")],
        expect![[
            r#"enforce=privileged:latest warn=privileged:latest metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: "high": must be one of privileged, baseline, restricted; metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.30": must be "latest" or "v1.x""#
        ]],
    );
}

fn pod(name: &str, controller: Option<&str>, spec: Value) -> Arc<Value> {
    let owners: Vec<Value> = controller.iter().map(|uid| json!({"uid": uid, "controller": true})).collect();
    Arc::new(json!({"metadata": {"name": name, "ownerReferences": owners}, "spec": spec}))
}

#[test]
fn pods_with_the_same_faults_are_warned_of_together() {
    let host = |port: u16| json!({"hostNetwork": true, "containers": [{"name": "c", "ports": [{"hostPort": port}]}]});
    let pods = [
        pod("web-2", Some("r"), host(1)),
        pod("web-1", Some("r"), host(2)),
        pod("proxy", Some("s"), host(3)),
        pod("spy", None, json!({"hostPID": true, "containers": []})),
        pod("fine", None, json!({"containers": []})),
    ];
    let standard = Standard { level: Level::Baseline, version: Version::Latest };
    expect![[r#"
        existing pods in namespace "a" violate the new PodSecurity enforce level "baseline:latest"
        proxy (and 2 other pods): host namespaces, hostPort
        spy: host namespaces"#]]
    .assert_eq(&warnings_of(&pods, "a", standard).join("\n"));
    assert_eq!(warnings_of(&pods[4..], "a", standard), Vec::<String>::new());
}

#[test]
fn of_too_many_pods_one_of_each_controller_is_looked_at_first() {
    let plain = json!({"containers": []});
    let mut pods: Vec<Arc<Value>> =
        (0..MAX_PODS_CHECKED + 1).map(|at| pod(&format!("copy-{at}"), Some("many"), plain.clone())).collect();
    pods.push(pod("spy", Some("other"), json!({"hostPID": true, "containers": []})));
    let standard = Standard { level: Level::Baseline, version: Version::Minor(30) };
    expect![[r#"
        new PodSecurity enforce level only checked against the first 3000 of 3002 existing pods
        existing pods in namespace "a" violate the new PodSecurity enforce level "baseline:v1.30"
        spy: host namespaces"#]]
    .assert_eq(&warnings_of(&pods, "a", standard).join("\n"));
}

#[test]
fn images_and_new_containers_are_what_counts_in_an_update() {
    let with = |image: &str, ephemeral: Value, deadline: u32| {
        json!({"spec": {"containers": [{"name": "c", "image": image}], "ephemeralContainers": ephemeral,
            "activeDeadlineSeconds": deadline}})
    };
    let debugger = |image: &str| json!([{"name": "d", "image": image}]);
    let old = with("a", debugger("sh"), 1);
    assert!(!is_significant(&with("a", debugger("sh"), 2), &old));
    assert!(!is_significant(&with("a", json!([]), 1), &old));
    assert!(is_significant(&with("b", debugger("sh"), 1), &old));
    assert!(is_significant(&with("a", debugger("bash"), 1), &old));
    assert!(is_significant(&old, &with("a", Value::Null, 1)));
}
