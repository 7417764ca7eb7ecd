//! What a node's conditions and its silence mean: which conditions to overwrite, which taints it must have. Pure.

use client::lean::Pod;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Taint};
use serde_json::{Value, json};
use std::time::Duration;

/// `--node-monitor-grace-period`: a node that is silent for longer is unknown.
pub const GRACE: Duration = Duration::from_secs(50);
/// `--node-monitor-period`: how soon a silent node is looked at again.
pub const MONITOR_PERIOD: Duration = Duration::from_secs(5);

/// Condition, its status, the taint for it.
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", "node.kubernetes.io/not-ready"),
    ("Ready", "Unknown", "node.kubernetes.io/unreachable"),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// The conditions that a silent kubelet no longer vouches for, in upstream's order.
const KUBELET_CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// What is to be changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Conditions to overwrite.
    pub conditions: Option<Vec<Value>>,
    /// All taints of the node, when they differ from what it has.
    pub taints: Option<Vec<Taint>>,
    /// The version of the node that this is about.
    pub resource_version: String,
    /// Whether the pods of the node must not be ready.
    pub pods_not_ready: bool,
}

/// Looks at one node that has been silent for `silent`.
pub fn verdict(node: &Node, silent: Duration, now: jiff::Timestamp) -> Verdict {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let unknown = silent >= GRACE;
    let ready = status_of(conditions, "Ready");
    let effective = |kind: &str| {
        let lost = unknown && KUBELET_CONDITIONS.contains(&kind);
        if lost { "Unknown" } else { status_of(conditions, kind) }
    };
    let overwrite = unknown && KUBELET_CONDITIONS.iter().any(|kind| status_of(conditions, kind) != "Unknown");
    let wanted = taints(node, effective, now);
    let present = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    Verdict {
        conditions: overwrite.then(|| unknown_conditions(conditions, now)),
        taints: (wanted != present).then_some(wanted),
        resource_version: node.metadata.resource_version.clone().unwrap_or_default(),
        pods_not_ready: unknown || ready == "False",
    }
}

fn status_of<'a>(conditions: &'a [NodeCondition], kind: &str) -> &'a str {
    conditions.iter().find(|condition| condition.type_ == kind).map_or("", |condition| condition.status.as_str())
}

fn unknown_conditions(present: &[NodeCondition], now: jiff::Timestamp) -> Vec<Value> {
    let of = |kind: &&str| {
        let known = present.iter().find(|condition| condition.type_ == **kind);
        let (reason, message) = if known.is_some() {
            ("NodeStatusUnknown", "Kubelet stopped posting node status.")
        } else {
            ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
        };
        json!({
            "type": kind, "status": "Unknown", "reason": reason, "message": message,
            "lastTransitionTime": time_text(now),
        })
    };
    KUBELET_CONDITIONS.iter().map(of).collect()
}

/// The taints that the node shall have: those of others stay where they are, ours follow the conditions.
fn taints<'a>(node: &Node, status: impl Fn(&str) -> &'a str, now: jiff::Timestamp) -> Vec<Taint> {
    let present = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    for (condition, value, key) in BY_CONDITION {
        // a node that has never said anything is not ready
        let now_is = match status(condition) {
            "" if condition == "Ready" => "False",
            other => other,
        };
        if now_is == value {
            wanted.push((key, "NoSchedule"));
            if condition == "Ready" {
                wanted.push((key, "NoExecute"));
            }
        }
    }
    if node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default() {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    let is_ours = |taint: &Taint| {
        let by_condition = BY_CONDITION.iter().any(|(_, _, key)| *key == taint.key);
        by_condition || (taint.key == UNSCHEDULABLE && taint.effect == "NoSchedule")
    };
    let is_wanted = |taint: &Taint| wanted.iter().any(|(key, effect)| taint.key == *key && taint.effect == *effect);
    let mut all: Vec<Taint> = present.into_iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).collect();
    for (key, effect) in wanted {
        if !all.iter().any(|taint| taint.key == key && taint.effect == effect) {
            let time_added = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now);
            all.push(Taint {
                key: key.to_owned(),
                effect: effect.to_owned(),
                value: None,
                time_added: Some(time_added),
            });
        }
    }
    all
}

/// Whether a pod says that it is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// A time as it stands in objects: whole seconds.
pub fn time_text(now: jiff::Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(ready: Option<&str>, taints: &[(&str, &str)]) -> Node {
        let conditions: Vec<Value> =
            ready.map(|status| json!({"type": "Ready", "status": status})).into_iter().collect();
        let taints: Vec<Value> = taints.iter().map(|(key, effect)| json!({"key": key, "effect": effect})).collect();
        serde_json::from_value(json!({
            "metadata": {"name": "n", "resourceVersion": "7"},
            "spec": {"taints": taints}, "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn shown(verdict: &Verdict) -> Option<Vec<String>> {
        let taints = verdict.taints.as_ref()?;
        let short = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
        Some(taints.iter().map(|taint| format!("{}:{}", short(&taint.key), taint.effect)).collect())
    }

    #[test]
    fn conditions_become_taints() {
        const NOT_READY: &str = "node.kubernetes.io/not-ready";
        let no_time = jiff::Timestamp::UNIX_EPOCH;
        let strings = |all: &[&str]| Some(all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        for (ready, present, silent, want) in [
            (None, &[(NOT_READY, "NoSchedule")][..], 0, strings(&["not-ready:NoSchedule", "not-ready:NoExecute"])),
            (Some("True"), &[], 0, None),
            (Some("True"), &[(NOT_READY, "NoSchedule"), ("mine", "NoSchedule")], 0, strings(&["mine:NoSchedule"])),
            (Some("True"), &[], 49, None),
            (Some("True"), &[], 50, strings(&["unreachable:NoSchedule", "unreachable:NoExecute"])),
            (
                Some("Unknown"),
                &[(NOT_READY, "NoExecute")],
                50,
                strings(&["unreachable:NoSchedule", "unreachable:NoExecute"]),
            ),
        ] {
            let verdict = verdict(&node(ready, present), Duration::from_secs(silent), no_time);
            assert_eq!(shown(&verdict), want, "{ready:?} {present:?} silent for {silent} s");
        }
    }

    #[test]
    fn silence_makes_every_condition_unknown_once() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let first = verdict(&node(Some("True"), &[]), GRACE, now);
        let conditions = first.conditions.unwrap();
        assert_eq!(conditions.len(), 4);
        assert_eq!(conditions[0]["reason"], "NodeStatusUnknown");
        assert_eq!(conditions[1]["reason"], "NodeStatusNeverUpdated");
        let settled: Node =
            serde_json::from_value(json!({"metadata": {}, "status": {"conditions": conditions}})).unwrap();
        assert_eq!(verdict(&settled, GRACE, now).conditions, None);
    }
}
