//! The row of a pod: READY, STATUS and RESTARTS are computed from its container statuses.

use super::Row;
use super::age::since;
use super::cells::{age, name, or_none};
use crate::At;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What the statuses of the containers add up to.
#[derive(Default)]
struct Summary<'v> {
    reason: String,
    ready: usize,
    restarts: i64,
    /// The latest end of an instance before the present one; empty when there was none.
    last_restart: &'v str,
}

pub(super) fn pod(object: &Value, now: Timestamp) -> Row {
    let pod = At::root(object);
    let (spec, status) = (pod.at("spec"), pod.at("status"));
    let init = spec.at("initContainers");
    let sidecars = init.items().filter(|c| c.at("restartPolicy").str() == "Always").count();
    let total = spec.at("containers").len() + sidecars;
    let summary = summarize(&pod);
    let restarts = match since(summary.last_restart, now).as_str() {
        ago if summary.restarts != 0 && !summary.last_restart.is_empty() => {
            format!("{} ({ago} ago)", summary.restarts)
        }
        _ => summary.restarts.to_string(),
    };
    let addresses = status.at("podIPs");
    let address = addresses.items().next().map_or("", |a| a.at("ip").str());
    let cells = vec![
        name(object),
        format!("{}/{total}", summary.ready).into(),
        summary.reason.into(),
        restarts.into(),
        age(object, now),
        or_none(address),
        or_none(spec.at("nodeName").str()),
        or_none(status.at("nominatedNodeName").str()),
        readiness_gates(&spec, &status).into(),
    ];
    let message = match status.at("phase").str() {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => {
            return Row { cells, conditions: Vec::new() };
        }
    };
    let reason = status.at("phase").str();
    let condition = json!({"type": "Completed", "status": "True", "reason": reason, "message": message});
    Row { cells, conditions: vec![condition] }
}

/// `1/2`: how many of the gates' conditions are true.
fn readiness_gates(spec: &At, status: &At) -> String {
    let gates = spec.at("readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let met = gates.items().filter(|gate| condition(status, gate.at("conditionType").str()) == Some("True")).count();
    format!("{met}/{}", gates.len())
}

fn condition<'v>(status: &At<'_, 'v>, kind: &str) -> Option<&'v str> {
    let conditions = status.at("conditions");
    conditions.items().find(|c| c.at("type").str() == kind).map(|c| c.at("status").str())
}

fn summarize<'v>(pod: &At<'_, 'v>) -> Summary<'v> {
    let status = pod.at("status");
    let mut summary = Summary { reason: pod_reason(&status), ..Summary::default() };
    let sidecars = summarize_init(pod, &mut summary);
    if sidecars.1 || condition(&status, "Initialized") == Some("True") {
        summary.restarts = sidecars.0.restarts;
        summary.last_restart = sidecars.0.last_restart;
        summarize_app(&status, &mut summary);
    }
    let metadata = pod.at("metadata");
    if !metadata.at("deletionTimestamp").is_empty() {
        if status.at("reason").str() == "NodeLost" {
            summary.reason = "Unknown".to_owned();
        } else if !matches!(status.at("phase").str(), "Failed" | "Succeeded") {
            summary.reason = "Terminating".to_owned();
        }
    }
    summary
}

/// What stands in STATUS before any container is looked at.
fn pod_reason(status: &At) -> String {
    let conditions = status.at("conditions");
    let gated = |c: &At| c.at("type").str() == "PodScheduled" && c.at("reason").str() == "SchedulingGated";
    if conditions.items().any(|c| gated(&c)) {
        return "SchedulingGated".to_owned();
    }
    match status.at("reason").str() {
        "" => status.at("phase").str().to_owned(),
        reason => reason.to_owned(),
    }
}

fn count_restarts<'v>(status: &At<'_, 'v>, summary: &mut Summary<'v>) {
    summary.restarts += status.at("restartCount").int().unwrap_or(0);
    let last_state = status.at("lastState");
    let ended = last_state.at("terminated");
    // RFC 3339 in UTC to the second sorts as text.
    summary.last_restart = summary.last_restart.max(ended.at("finishedAt").str());
}

/// Walks the init containers to the first that has not done its part. Returns what the sidecars restarted, and whether
/// all are done.
fn summarize_init<'v>(pod: &At<'_, 'v>, summary: &mut Summary<'v>) -> (Summary<'v>, bool) {
    let (spec, status) = (pod.at("spec"), pod.at("status"));
    let containers = spec.at("initContainers");
    let mut of_sidecars = Summary::default();
    for (index, container) in status.at("initContainerStatuses").items().enumerate() {
        count_restarts(&container, summary);
        let own = |c: &At| c.at("name").str() == container.at("name").str();
        let sidecar = containers.items().any(|c| own(&c) && c.at("restartPolicy").str() == "Always");
        if sidecar {
            count_restarts(&container, &mut of_sidecars);
        }
        let state = container.at("state");
        let (terminated, waiting) = (state.at("terminated"), state.at("waiting"));
        if terminated.exists() && terminated.at("exitCode").int().unwrap_or(0) == 0 {
            continue;
        }
        if sidecar && container.at("started").bool() {
            summary.ready += usize::from(container.at("ready").bool());
            continue;
        }
        let waits_for = waiting.at("reason").str();
        summary.reason = if terminated.exists() {
            format!("Init:{}", ended_because(&terminated))
        } else if !matches!(waits_for, "" | "PodInitializing") {
            format!("Init:{waits_for}")
        } else {
            format!("Init:{index}/{}", containers.len())
        };
        return (of_sidecars, false);
    }
    (of_sidecars, true)
}

/// Reason, signal or exit code of an ended container.
fn ended_because(terminated: &At) -> String {
    let signal = terminated.at("signal").int().unwrap_or(0);
    match terminated.at("reason").str() {
        "" if signal != 0 => format!("Signal:{signal}"),
        "" => format!("ExitCode:{}", terminated.at("exitCode").int().unwrap_or(0)),
        reason => reason.to_owned(),
    }
}

/// The app containers, last to first, so that the first one's reason stands in the end.
fn summarize_app<'v>(status: &At<'_, 'v>, summary: &mut Summary<'v>) {
    let mut running = false;
    let statuses = status.at("containerStatuses");
    let all: Vec<At> = statuses.items().collect();
    for container in all.iter().rev() {
        summary.restarts += container.at("restartCount").int().unwrap_or(0);
        let state = container.at("state");
        let (waiting, terminated) = (state.at("waiting"), state.at("terminated"));
        if !waiting.at("reason").is_empty() {
            summary.reason = waiting.at("reason").str().to_owned();
        } else if terminated.exists() {
            summary.reason = ended_because(&terminated);
        } else if container.at("ready").bool() && state.at("running").exists() {
            running = true;
            summary.ready += 1;
        }
    }
    for container in statuses.value().and_then(Value::as_array).into_iter().flatten() {
        let ended = container.pointer("/lastState/terminated/finishedAt").and_then(Value::as_str).unwrap_or_default();
        summary.last_restart = summary.last_restart.max(ended);
    }
    if summary.reason == "Completed" && running {
        let ready = condition(status, "Ready") == Some("True");
        summary.reason = if ready { "Running" } else { "NotReady" }.to_owned();
    }
}
