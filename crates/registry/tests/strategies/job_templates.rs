//! What of the pod template of a job may change, and when.

use super::batch::{JOBS, indexed, template};
use super::*;
use expect_test::{Expect, expect};

/// A job in this state, whose template changes so.
fn changed(suspend: bool, status: Value, change: Value, want: Expect) {
    let pod = json!({"restartPolicy": "Never", "resourceClaims": [{"name": "r", "resourceClaimName": "x"}],
        "containers": [{"name": "c", "image": "i"}]});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod});
    let job = json!({"spec": {"suspend": suspend, "manualSelector": true, "selector": {"matchLabels": {"a": "b"}},
        "template": template}, "status": status});
    let said = updated(JOBS, &job, &json!({"spec": {"template": change}}));
    let short = said.split('\n').map(|line| match line.split_once(": Invalid value: ") {
        Some((path, rest)) => format!("{path}: {}", rest.rsplit("}: ").next().unwrap_or(rest)),
        None => line.to_owned(),
    });
    want.assert_eq(&short.collect::<Vec<_>>().join("\n"));
}

fn container(change: Value) -> Value {
    json!({"spec": {"containers": [with(&json!({"name": "c", "image": "i"}), change)]}})
}

fn asking() -> Value {
    container(json!({"resources": {"requests": {"cpu": "1"}, "claims": [{"name": "r"}]}}))
}

#[test]
fn of_a_job_that_may_have_pods_nothing_changes() {
    let (other, started) = (container(json!({"image": "other"})), json!({"startTime": "2026-01-01T00:00:00Z"}));
    changed(false, json!({}), other, expect!["spec.template: field is immutable"]);
    changed(
        false,
        json!({}),
        json!({"metadata": {"labels": {"c": "d"}}}),
        expect!["spec.template: field is immutable"],
    );
    changed(true, started.clone(), asking(), expect!["spec.template: field is immutable"]);
    let suspended = json!({"conditions": [{"type": "Suspended", "status": "False"}]});
    changed(true, with(&started, suspended), asking(), expect!["spec.template: field is immutable"]);
    changed(
        true,
        json!({"active": 1}),
        json!({"spec": {"nodeSelector": {"a": "b"}}}),
        expect!["spec.template: field is immutable"],
    );
}

#[test]
fn a_job_without_pods_asks_for_others() {
    let started = json!({"startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Suspended", "status": "True"}]});
    for status in [json!({}), started] {
        changed(true, status.clone(), asking(), expect!["ok"]);
        let directives = json!({"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}], "schedulingGates": [{"name": "g"}]});
        changed(true, status, json!({"metadata": {"labels": {"c": "d"}}, "spec": directives}), expect!["ok"]);
    }
    changed(true, json!({}), container(json!({"image": "other"})), expect!["spec.template.spec: field is immutable"]);
    let both = with(&container(json!({"image": "other"})), json!({"metadata": {"generateName": "x-"}}));
    changed(
        true,
        json!({}),
        both,
        expect![[r#"
        spec.template: field is immutable
        spec.template.spec: field is immutable"#]],
    );
}

/// A job that selects its pods itself.
fn selecting(selector: Value) -> Value {
    let suspended = json!({"suspend": true, "template": template(), "selector": selector});
    json!({"metadata": {"name": "x", "uid": "u-1"}, "spec": suspended})
}

#[test]
fn what_ties_pods_to_their_job_stays() {
    assert_eq!(created(JOBS, &selecting(json!({"matchLabels": {"job-name": "x"}}))), "ok");
    expect![[r#"spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"u-1"}}: `selector` not auto-generated"#]].assert_eq(&created(JOBS, &selecting(json!({"matchLabels": {"a": "b"}}))));
    expect![[r#"
        spec.selector: Required value
        spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`"#]]
    .assert_eq(&created(JOBS, &json!({"spec": {"manualSelector": true, "template": template()}})));
    let old = prepared(JOBS, &selecting(json!({})));
    let labels = |labels: Value| json!({"spec": {"template": {"metadata": {"labels": labels}}}});
    let renamed = labels(json!({"batch.kubernetes.io/job-name": "y", "job-name": null}));
    expect![[r#"
        spec.template.metadata.labels[job-name]: Required value: must be 'x'
        spec.template.metadata.labels[batch.kubernetes.io/job-name]: Invalid value: {"a":"b","batch.kubernetes.io/controller-uid":"u-1","batch.kubernetes.io/job-name":"y","controller-uid":"u-1"}: must be 'x'"#]].assert_eq(&updated(JOBS, &old, &renamed));
    let unprefixed = json!({"batch.kubernetes.io/job-name": null, "batch.kubernetes.io/controller-uid": null});
    let by_uid = json!({"batch.kubernetes.io/controller-uid": null, "controller-uid": "u-1"});
    let of_old = with(&with(&old, labels(unprefixed)), json!({"spec": {"selector": {"matchLabels": by_uid}}}));
    assert_eq!(updated(JOBS, &of_old, &json!({"spec": {"parallelism": 2}})), "ok");
    // More pods have longer names.
    let long =
        with(&indexed(json!({"completions": 5, "parallelism": 5})), json!({"metadata": {"name": "j".repeat(61)}}));
    expect![[r#"metadata.name: Invalid value: "jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj": will not able to create pod with invalid DNS label: jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj-10"#]].assert_eq(&updated(JOBS, &long, &json!({"spec": {"completions": 11, "parallelism": 11}})));
}
