//! Jobs.

use super::*;
use expect_test::expect;

pub const JOBS: &str = "batch/v1/jobs";

pub fn template() -> Value {
    json!({"metadata": {"labels": {"a": "b"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}})
}

fn job(change: Value) -> Value {
    let job =
        json!({"spec": {"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}, "template": template()}});
    with(&job, json!({"spec": change}))
}

pub fn indexed(change: Value) -> Value {
    with(&job(json!({"completionMode": "Indexed", "completions": 5, "parallelism": 2})), json!({"spec": change}))
}

#[test]
fn success_policies() {
    let wrong = |policy: Value| created(JOBS, &indexed(json!({"successPolicy": policy})));
    assert_eq!(wrong(json!({"rules": [{"succeededIndexes": "0,2-4", "succeededCount": 2}]})), "ok");
    expect![[r#"spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":1}]}: requires indexed completion mode"#]].assert_eq(&created(JOBS, &job(json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}))));
    expect!["spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified"].assert_eq(&wrong(json!({"rules": []})));
    expect![[r#"
        spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified
        spec.successPolicy.rules[1].succeededIndexes: Invalid value: "0,5": error parsing succeededIndexes: too large index: "5"
        spec.successPolicy.rules[2].succeededIndexes: Invalid value: "3,1": error parsing succeededIndexes: non-increasing order, previous: 3, current: 1
        spec.successPolicy.rules[3].succeededIndexes: Invalid value: "1-2-3": error parsing succeededIndexes: the fragment "1-2-3" violates the requirement that an index interval can have at most two parts separated by '-'
        spec.successPolicy.rules[4].succeededIndexes: Invalid value: "a": error parsing succeededIndexes: cannot convert string to integer for index: "a"
        spec.successPolicy.rules[5].succeededIndexes: Invalid value: "2-2": error parsing succeededIndexes: non-increasing order, previous: 2, current: 2"#]].assert_eq(&wrong(json!({"rules": [{}, {"succeededIndexes": "0,5"}, {"succeededIndexes": "3,1"},
        {"succeededIndexes": "1-2-3"}, {"succeededIndexes": "a"}, {"succeededIndexes": "2-2"}]})));
    expect![[r#"
        spec.successPolicy.rules[0].succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of specified completions)
        spec.successPolicy.rules[0].succeededCount: Invalid value: 6: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)
        spec.successPolicy.rules[1].succeededCount: Invalid value: -1: must be greater than or equal to 0"#]].assert_eq(&wrong(
        json!({"rules": [{"succeededIndexes": "0-1", "succeededCount": 6}, {"succeededCount": -1}]}),
    ));
    expect!["spec.successPolicy.rules: Too many: 21: must have at most 20 items"]
        .assert_eq(&wrong(json!({"rules": vec![json!({"succeededCount": 1}); 21]})));
    let old = indexed(json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}));
    expect![[r#"spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":2}]}: field is immutable"#]].assert_eq(&updated(
        JOBS,
        &old,
        &json!({"spec": {"successPolicy": {"rules": [{"succeededCount": 2}]}}}),
    ));
}

#[test]
fn limits_by_index() {
    assert_eq!(created(JOBS, &indexed(json!({"backoffLimitPerIndex": 1, "maxFailedIndexes": 5}))), "ok");
    expect![[r#"
        spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode
        spec.maxFailedIndexes: Invalid value: 5: requires indexed completion mode"#]]
    .assert_eq(&created(JOBS, &job(json!({"backoffLimitPerIndex": 1, "maxFailedIndexes": 5}))));
    expect![[r#"
        spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified
        spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions"#]]
    .assert_eq(&created(JOBS, &indexed(json!({"maxFailedIndexes": 6}))));
    expect!["spec.maxFailedIndexes: Required value: must be specified when completions is above 100000"]
        .assert_eq(&created(JOBS, &indexed(json!({"completions": 100_001, "backoffLimitPerIndex": 1}))));
    expect![[r#"
        spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index
        spec.maxFailedIndexes: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index"#]].assert_eq(&created(
        JOBS,
        &indexed(json!({"completions": 200_000, "backoffLimitPerIndex": 1,
        "maxFailedIndexes": 10_001, "parallelism": 10_001})),
    ));
    expect![[r#"
        spec.completions: Required value: when completion mode is Indexed
        spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed
        spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 100000"#]]
    .assert_eq(&created(
        JOBS,
        &indexed(json!({"completions": null, "parallelism": 100_001, "maxFailedIndexes": 100_001,
        "backoffLimitPerIndex": 1})),
    ));
    // Both numbers together, or none.
    assert_eq!(updated(JOBS, &indexed(json!({})), &json!({"spec": {"completions": 3, "parallelism": 3}})), "ok");
    expect!["spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"]
        .assert_eq(&updated(JOBS, &indexed(json!({})), &json!({"spec": {"completions": 3}})));
    expect!["spec.completions: Invalid value: 3: field is immutable"].assert_eq(&updated(
        JOBS,
        &job(json!({"completions": 1})),
        &json!({"spec": {"completions": 3, "parallelism": 3}}),
    ));
}

#[test]
fn managers_and_policies() {
    assert_eq!(created(JOBS, &job(json!({"managedBy": "acme.io/foo"}))), "ok");
    for (name, what) in [
        (
            "acme",
            expect![[
                r#"spec.managedBy: Invalid value: "acme": must be a domain-prefixed path (such as "acme.io/foo")"#
            ]],
        ),
        ("", expect!["spec.managedBy: Required value"]),
        (
            "Acme.io/a b",
            expect![[r#"
            spec.managedBy: Invalid value: "Acme.io": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.managedBy: Invalid value: "a b": Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')"#]],
        ),
        (&format!("a/{}", "x".repeat(62)), expect!["spec.managedBy: Too long: may not be more than 63 bytes"]),
    ] {
        what.assert_eq(&created(JOBS, &job(json!({"managedBy": name}))));
    }
    let failing = |rule: Value| job(json!({"podFailurePolicy": {"rules": [rule]}}));
    expect![
        "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"
    ]
    .assert_eq(&created(JOBS, &failing(json!({"action": "Ignore"}))));
    expect![[r#"
        spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set
        spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator
        spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [1,0]: must be ordered
        spec.podFailurePolicy.rules[0].onPodConditions[0].type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        spec.podFailurePolicy.rules[0]: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"#]].assert_eq(&created(
        JOBS,
        &failing(json!({"action": "FailIndex",
        "onExitCodes": {"operator": "In", "values": [1, 0]}, "onPodConditions": [{"type": "a b"}]})),
    ));
    let policy = json!({"action": "Ignore", "onPodConditions": [{"type": "A"}]});
    expect![[r#"spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed""#]]
        .assert_eq(&created(
            JOBS,
            &with(&failing(policy.clone()), json!({"spec": {"podReplacementPolicy": "TerminatingOrFailed"}})),
        ));
    let restarting = |policy: &str| json!({"spec": {"template": {"spec": {"restartPolicy": policy}}}});
    expect![[r#"spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified"#]].assert_eq(&created(JOBS, &with(&failing(policy), restarting("OnFailure"))));
    expect![[r#"spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#]]
        .assert_eq(&created(JOBS, &with(&job(json!({})), restarting("Always"))));
    expect![[r#"
        spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"
        spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "OnFailure", "Never""#]].assert_eq(&created(JOBS, &with(&job(json!({})), restarting("Sometimes"))));
}

#[test]
fn status_of_jobs() {
    let started = with(&indexed(json!({})), json!({"status": {"startTime": "2026-01-02T03:04:05Z", "active": 1}}));
    let wrong = |status: Value| status_updated(JOBS, &started, &json!({"status": status}));
    let conditions =
        |names: &[&str]| -> Value { names.iter().map(|name| json!({"type": name, "status": "True"})).collect() };
    assert_eq!(
        wrong(
            json!({"active": null, "completedIndexes": "0,2-4", "succeeded": 4, "completionTime": "2026-01-02T03:04:05Z",
        "conditions": conditions(&["SuccessCriteriaMet", "Complete"])})
        ),
        "ok"
    );
    expect![[r#"
        status.active: Invalid value: -1: must be greater than or equal to 0
        status.succeeded: Invalid value: -1: must be greater than or equal to 0
        status.failed: Invalid value: -1: must be greater than or equal to 0
        status.ready: Invalid value: -1: must be greater than or equal to 0
        status.terminating: Invalid value: -1: must be greater than or equal to 0
        status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty
        status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"
        status.failed: Invalid value: -1: cannot decrease the failed counter
        status.succeeded: Invalid value: -1: cannot decrease the succeeded counter"#]]
    .assert_eq(&wrong(json!({"active": -1, "ready": -1, "terminating": -1, "succeeded": -1, "failed": -1,
        "uncountedTerminatedPods": {"succeeded": ["a", ""], "failed": ["a"]}})));
    expect![[r#"
        status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions
        status.completionTime: Required value: completionTime is required for Complete jobs
        status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition
        status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition
        status.active: Invalid value: 1: active>0 is invalid for finished job
        status.startTime: Required value: startTime is required for finished job
        status.uncountedTerminatedPods: Invalid value: {"Succeeded":null,"Failed":["a"]}: uncountedTerminatedPods needs to be empty for finished job
        status.terminating: Invalid value: 1: terminating>0 is invalid for finished job
        status.startTime: Required value: startTime cannot be removed for unsuspended job"#]].assert_eq(&wrong(
        json!({"conditions": conditions(&["Complete", "Failed"]), "startTime": null, "terminating": 1,
        "uncountedTerminatedPods": {"failed": ["a"]}}),
    ));
    expect![[r#"
        status.completionTime: Invalid value: "2026-01-02T03:04:04Z": cannot set completionTime when there is no Complete=True condition
        status.completionTime: Invalid value: "2026-01-02T03:04:04Z": completionTime cannot be set before startTime
        status.ready: Invalid value: 1: cannot set more ready pods than active"#]].assert_eq(&wrong(json!({"active": 0, "completionTime": "2026-01-02T03:04:04Z", "ready": 1})));
    expect![[r#"
        status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition
        status.active: Invalid value: 2: active>0 is invalid for finished job
        status.completedIndexes: Invalid value: "0-2,2": error parsing completedIndexes: non-increasing order, previous: 2, current: 2
        status.failedIndexes: Invalid value: "1": cannot set non-null failedIndexes when backoffLimitPerIndex is null
        status.failedIndexes: Invalid value: "1": failedIndexes and completedIndexes overlap at index: 1"#]].assert_eq(&wrong(json!({"active": 2, "conditions": conditions(&["Failed"]),
        "completedIndexes": "0-2,2", "failedIndexes": "1"})));
    expect![[
        r#"status.failedIndexes: Invalid value: "1,3-4": failedIndexes and completedIndexes overlap at index: 3"#
    ]]
    .assert_eq(&status_updated(
        JOBS,
        &with(&started, json!({"spec": {"backoffLimitPerIndex": 1}})),
        &json!({"status": {"completedIndexes": "0,2-3", "failedIndexes": "1,3-4"}}),
    ));
    expect![[r#"
        status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode
        status.failed: Invalid value: 0: cannot decrease the failed counter
        status.succeeded: Invalid value: 1: cannot decrease the succeeded counter"#]].assert_eq(&status_updated(
        JOBS,
        &with(&job(json!({})), json!({"status": {"succeeded": 2, "failed": 2}})),
        &json!({"status": {"completedIndexes": "0", "succeeded": 1, "failed": null}}),
    ));
    let done = with(
        &started,
        json!({"status": {"active": null, "completionTime": "2026-01-02T03:04:06Z",
        "conditions": conditions(&["SuccessCriteriaMet", "Complete"])}}),
    );
    expect![[r#"
        status.completionTime: Invalid value: "2026-01-02T03:04:07Z": cannot set completionTime when there is no Complete=True condition
        status.conditions: Invalid value: cannot disable the terminal Complete=True condition
        status.completionTime: Invalid value: "2026-01-02T03:04:07Z": completionTime cannot be mutated
        status.startTime: Required value: startTime cannot be removed for unsuspended job
        status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition"#]].assert_eq(&status_updated(
        JOBS,
        &done,
        &json!({"status": {"conditions": null, "startTime": "2026-01-02T03:04:04Z",
        "completionTime": "2026-01-02T03:04:07Z"}}),
    ));
    // What was wrong before may stay.
    let old = with(&started, json!({"status": {"conditions": conditions(&["Complete"]), "ready": 3}}));
    assert_eq!(status_updated(JOBS, &old, &json!({"status": {"failed": 1}})), "ok");
}

#[test]
fn pods_of_indexed_jobs_have_names_on_the_network() {
    let named = |length: usize, completions: u32| {
        let name = json!({"metadata": {"name": "j".repeat(length)}, "spec": {"completions": completions}});
        created(JOBS, &with(&indexed(json!({"parallelism": completions})), name))
    };
    assert_eq!((named(61, 10).as_str(), named(61, 0).as_str()), ("ok", "ok"));
    let name = "j".repeat(61);
    let words = "will not able to create pod with invalid DNS label";
    assert_eq!(named(61, 11), format!("metadata.name: Invalid value: \"{name}\": {words}: {name}-10"));
}

#[test]
fn labels_that_a_job_writes_itself_are_not_written_over() {
    let labels = json!({"batch.kubernetes.io/job-name": "other", "controller-uid": "u-1"});
    let job = json!({"metadata": {"name": "x", "uid": "u-1"}, "spec": {"template": with(&template(), json!({"metadata": {"labels": labels}}))}});
    expect![[r#"
        spec.template.metadata.labels[batch.kubernetes.io/job-name]: Invalid value: {"a":"b","batch.kubernetes.io/controller-uid":"u-1","batch.kubernetes.io/job-name":"other","controller-uid":"u-1","job-name":"x"}: must be 'x'"#]]
    .assert_eq(&created(JOBS, &job));
}
