//! What is next in a pod's life, and the status that it then has. Pure.

use crate::Config;
use crate::node;
use crate::pod::{Container, SimulatedPod};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;

/// What a node does next about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It runs.
    Start,
    /// Its containers end well.
    Succeed,
    /// It goes.
    Remove,
}

/// The next step and how long to wait before it; `None` for pods of other nodes, and for those with nothing ahead.
pub fn next(config: &Config, pod: &SimulatedPod) -> Option<(Step, Duration)> {
    node::number(config, &pod.spec.node_name)?;
    if pod.is_terminating() {
        return Some((Step::Remove, config.stop_delay));
    }
    match &*pod.status.phase {
        "" | "Pending" => Some((Step::Start, config.start_delay)),
        "Running" if pod.is_of_a_job() => Some((Step::Succeed, config.run_delay)),
        _ => None,
    }
}

/// The patch of the status for a step. The uid is a precondition, as in a kubelet's patches.
pub fn patch(config: &Config, pod: &SimulatedPod, step: Step, address: Ipv4Addr, now: Timestamp) -> Value {
    let time = api::time::format_seconds(now);
    let started = pod.status.start_time.as_ref().map_or_else(|| time.clone(), |t| api::time::format_seconds(t.0));
    let running = step == Step::Start;
    let flag = if running { "True" } else { "False" };
    let condition = |kind: &str, status: &str, reason: Option<&str>| {
        let mut condition = json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": time});
        if let Some(reason) = reason {
            condition["reason"] = reason.into();
        }
        condition
    };
    let done = (!running).then_some("PodCompleted");
    let mut status = json!({
        "phase": if running { "Running" } else { "Succeeded" },
        "startTime": started,
        "conditions": [
            condition("PodReadyToStartContainers", flag, None),
            condition("Initialized", "True", done),
            condition("Ready", flag, done),
            condition("ContainersReady", flag, done),
            condition("PodScheduled", "True", None),
        ],
        "containerStatuses": statuses(pod, &pod.spec.containers, running, &started, &time),
    });
    if running {
        let host = node::address(node::number(config, &pod.spec.node_name).unwrap_or(0)).to_string();
        let address = if pod.spec.host_network { host.clone() } else { address.to_string() };
        status["hostIP"] = host.as_str().into();
        status["hostIPs"] = json!([{"ip": host}]);
        status["podIP"] = address.as_str().into();
        status["podIPs"] = json!([{"ip": address}]);
    }
    if !pod.spec.init_containers.is_empty() {
        let (sidecars, ended): (Vec<Container>, Vec<Container>) =
            pod.spec.init_containers.iter().cloned().partition(|c| c.restart_policy.as_deref() == Some("Always"));
        let mut all = statuses(pod, &ended, false, &started, &time);
        all.extend(statuses(pod, &sidecars, running, &started, &time));
        status["initContainerStatuses"] = all.into();
    }
    json!({"metadata": {"uid": pod.uid()}, "status": status})
}

fn statuses(pod: &SimulatedPod, containers: &[Container], running: bool, started: &str, now: &str) -> Vec<Value> {
    let status = |container: &Container| {
        let id = format!("pintle-simulated://{}-{}", pod.uid(), container.name);
        let state = if running {
            json!({"running": {"startedAt": now}, "terminated": null, "waiting": null})
        } else {
            json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now,
                "containerID": id}, "running": null, "waiting": null})
        };
        json!({"name": container.name, "image": container.image, "imageID": "", "restartCount": 0, "ready": true,
            "started": running, "state": state, "containerID": id})
    };
    containers.iter().map(status).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn pod(more: &Value) -> SimulatedPod {
        let mut value = json!({"metadata": {"name": "p", "namespace": "default", "uid": "u", "labels": {"a": "b"}},
            "spec": {"nodeName": "simulated-3", "containers": [{"name": "c", "image": "nginx", "env": []}]}});
        for (path, new) in more.as_object().into_iter().flatten() {
            for (name, field) in new.as_object().into_iter().flatten() {
                value[path][name] = field.clone();
            }
        }
        serde_json::from_value(value).unwrap()
    }

    fn config() -> Config {
        Config { nodes: 10, ..Config::default() }
    }

    #[test]
    fn a_life() {
        let next = |more: Value| next(&config(), &pod(&more)).map(|(step, _)| step);
        assert_eq!(next(json!({})), Some(Step::Start));
        assert_eq!(next(json!({"status": {"phase": "Pending"}})), Some(Step::Start));
        assert_eq!(next(json!({"status": {"phase": "Running"}})), None);
        let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "1"}]);
        let of_a_job = json!({"status": {"phase": "Running"}, "metadata": {"ownerReferences": owner}});
        assert_eq!(next(of_a_job), Some(Step::Succeed));
        assert_eq!(next(json!({"status": {"phase": "Succeeded"}})), None);
        assert_eq!(next(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})), Some(Step::Remove));
        assert_eq!(next(json!({"spec": {"nodeName": "real"}})), None);
    }

    #[test]
    fn a_running_pod_says_what_a_kubelet_would() {
        let now = "2026-01-01T00:00:05Z".parse().unwrap();
        let patch = patch(&config(), &pod(&json!({})), Step::Start, Ipv4Addr::new(10, 0, 0, 9), now);
        expect![[r#"[{"containerID":"pintle-simulated://u-c","image":"nginx","imageID":"","name":"c","ready":true,"restartCount":0,"started":true,"state":{"running":{"startedAt":"2026-01-01T00:00:05Z"},"terminated":null,"waiting":null}}]"#]]
            .assert_eq(&patch["status"]["containerStatuses"].to_string());
        assert_eq!(patch["status"]["hostIP"], "172.16.0.4");
        assert_eq!(patch["status"]["podIP"], "10.0.0.9");
        assert_eq!(patch["metadata"]["uid"], "u");
    }
}
