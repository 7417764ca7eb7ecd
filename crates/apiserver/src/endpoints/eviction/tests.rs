//! What comes of an eviction, as data.

use super::*;

const NOW: &str = "2026-01-01T00:00:00Z";

fn pod(phase: &str, ready: &str) -> Value {
    json!({"metadata": {"name": "p", "namespace": "n", "resourceVersion": "7"},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}})
}

fn budget(spec: Value, status: Value) -> Arc<Value> {
    Arc::new(json!({"metadata": {"name": "b", "namespace": "n", "generation": 1}, "spec": spec, "status": status}))
}

fn refused(decision: Decision) -> (u16, String) {
    let Decision::Refuse(status) = decision else { panic!("{decision:?}") };
    let cause = status.details["causes"][0]["message"].as_str().unwrap_or(&status.message).to_owned();
    (status.code, cause)
}

#[test]
fn pods_that_do_not_count_go_without_a_budget() {
    let none = budget(json!({}), json!({"observedGeneration": 1}));
    let decide = |pod: &Value| decide(pod, std::slice::from_ref(&none), NOW);
    assert!(matches!(decide(&pod("Succeeded", "False")), Decision::Delete { as_seen: false }));
    assert!(matches!(decide(&pod("Pending", "False")), Decision::Delete { as_seen: true }));
    let mut going = pod("Running", "True");
    going["metadata"]["deletionTimestamp"] = NOW.into();
    assert!(matches!(decide(&going), Decision::Delete { as_seen: false }));
    assert!(matches!(super::decide(&pod("Running", "True"), &[], NOW), Decision::Delete { as_seen: false }));
}

#[test]
fn unhealthy_pods_go_by_policy_or_while_enough_others_are_healthy() {
    let status = |healthy: i64| json!({"observedGeneration": 1, "currentHealthy": healthy, "desiredHealthy": 2});
    let one = |spec: Value, healthy: i64, ready: &str| {
        matches!(
            decide(&pod("Running", ready), &[budget(spec, status(healthy))], NOW),
            Decision::Delete { as_seen: true }
        )
    };
    assert!(one(json!({}), 2, "False") && !one(json!({}), 1, "False") && !one(json!({}), 2, "True"));
    let always = json!({"unhealthyPodEvictionPolicy": "AlwaysAllow"});
    assert!(one(always.clone(), 0, "False") && !one(always, 0, "True"));
}

#[test]
fn a_disruption_is_charged() {
    let status = json!({"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2,
        "conditions": [{"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods"}]});
    let Decision::Charge(after) = decide(&pod("Running", "True"), &[budget(json!({}), status)], NOW) else {
        panic!("not charged")
    };
    assert_eq!(after["status"]["disruptionsAllowed"], 0);
    assert_eq!(after["status"]["disruptedPods"], json!({"p": NOW}));
    let condition = json!({"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
        "lastTransitionTime": NOW, "observedGeneration": 1});
    assert_eq!(after["status"]["conditions"], json!([condition]));
    let words = "The disruption budget b does not allow evicting pods currently";
    assert_eq!(refused(decide(&pod("Running", "True"), &[Arc::new(after)], NOW)), (429, words.to_owned()));
    // a controller that has said nothing yet is spoken for
    let silent = json!({"observedGeneration": 1, "disruptionsAllowed": 1});
    let Decision::Charge(after) = decide(&pod("Running", "True"), &[budget(json!({}), silent)], NOW) else {
        panic!("not charged")
    };
    assert_eq!(after["status"]["conditions"], json!([condition]));
}

#[test]
fn refusals_say_why() {
    let decide = |status: Value| refused(decide(&pod("Running", "True"), &[budget(json!({}), status)], NOW));
    let processed = "The disruption budget b is still being processed by the server.";
    assert_eq!(decide(json!({})), (429, processed.to_owned()));
    let few = json!({"observedGeneration": 1, "currentHealthy": 1, "desiredHealthy": 2});
    let words = "The disruption budget b needs 2 healthy pods and has 1 currently";
    assert_eq!(decide(few), (429, words.to_owned()));
    let failed = json!({"observedGeneration": 1, "currentHealthy": 1,
        "conditions": [{"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "x"}]});
    let words = "The disruption budget b does not allow evicting pods currently because it failed sync: x";
    assert_eq!(decide(failed), (429, words.to_owned()));
    assert_eq!(decide(json!({"observedGeneration": 1, "disruptionsAllowed": -1})).0, 403);
    let two = [budget(json!({}), json!({})), budget(json!({}), json!({}))];
    let (code, words) = refused(super::decide(&pod("Running", "True"), &two, NOW));
    assert!(code == 500 && words.starts_with("This pod has more than one PodDisruptionBudget"), "{words}");
}
