//! The pod's conditions, in upstream's order and words.

use super::phase::Phase;
use super::{Stage, StatusInput, whole_second};
use crate::pod;
use k8s_openapi::api::core::v1::{ContainerStatus, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// What a condition says.
struct Verdict {
    met: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Verdict {
    fn plain(met: bool) -> Self {
        Self { met, reason: None, message: None }
    }

    fn because(met: bool, reason: &'static str) -> Self {
        Self { met, reason: Some(reason), message: None }
    }
}

/// The kubelet's conditions, and after them those of others that the object has.
pub fn conditions(
    input: &StatusInput<'_>,
    phase: Phase,
    init: &[ContainerStatus],
    app: &[ContainerStatus],
) -> Vec<PodCondition> {
    let containers_ready = containers_ready(input, phase, init, app);
    let ready = match containers_ready.met {
        true => readiness_gates(input),
        false => Verdict { message: containers_ready.message.clone(), ..containers_ready },
    };
    let connected = input.stage != Stage::Terminated && input.sandbox_usable;
    let own = [
        ("PodReadyToStartContainers", Verdict::plain(connected)),
        ("Initialized", initialized(input, phase, init, app)),
        ("Ready", ready),
        ("ContainersReady", containers_ready),
        ("PodScheduled", Verdict::plain(true)),
    ];
    let old = input.old.conditions.as_deref().unwrap_or_default();
    let mut conditions = resize_conditions(input, old);
    conditions.extend(own.into_iter().map(|(kind, v)| condition(input, old, kind, v)));
    for other in old {
        let passing = PASSING.contains(&other.type_.as_str());
        if !passing && !conditions.iter().any(|c| c.type_ == other.type_) {
            conditions.push(other.clone());
        }
    }
    conditions
}

/// Conditions of the kubelet's that are there only while they hold.
pub const PASSING: [&str; 2] = ["PodResizePending", "PodResizeInProgress"];

/// What a resize says while it lasts.
fn resize_conditions(input: &StatusInput<'_>, old: &[PodCondition]) -> Vec<PodCondition> {
    let [pending_type, in_progress_type] = PASSING;
    let pending = input.resize.pending.as_ref().map(|pending| {
        let message = Some(pending.message.clone());
        let verdict = Verdict { met: true, reason: Some(pending.reason.as_str()), message };
        PodCondition { observed_generation: pending.generation, ..condition(input, old, pending_type, verdict) }
    });
    let in_progress = input.resize.in_progress.map(|generation| {
        let message = input.resize.error.clone();
        let verdict = Verdict { met: true, reason: message.as_ref().map(|_| "Error"), message };
        PodCondition { observed_generation: Some(generation), ..condition(input, old, in_progress_type, verdict) }
    });
    pending.into_iter().chain(in_progress).collect()
}

fn condition(input: &StatusInput<'_>, old: &[PodCondition], kind: &str, verdict: Verdict) -> PodCondition {
    let status = if verdict.met { "True" } else { "False" };
    let unchanged = old.iter().find(|c| c.type_ == kind && c.status == status);
    PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.map(str::to_owned),
        message: verdict.message,
        last_probe_time: None,
        last_transition_time: unchanged
            .and_then(|c| c.last_transition_time.clone())
            .or_else(|| Some(Time(whole_second(input.now)))),
        observed_generation: input.pod.metadata.generation,
    }
}

/// `PodCompleted`, `PodFailed`: what a pod that is over says in place of its containers.
fn over(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Succeeded => Some("PodCompleted"),
        Phase::Failed => Some("PodFailed"),
        Phase::Pending | Phase::Running => None,
    }
}

fn initialized(input: &StatusInput<'_>, phase: Phase, init: &[ContainerStatus], app: &[ContainerStatus]) -> Verdict {
    let began = |s: &ContainerStatus| s.container_id.is_some();
    if app.iter().any(began) || init.is_empty() {
        return if phase == Phase::Succeeded { Verdict::because(true, "PodCompleted") } else { Verdict::plain(true) };
    }
    let sidecar = |name: &str| pod::init_containers(input.pod).iter().any(|c| c.name == name && pod::is_sidecar(c));
    let incomplete: Vec<&str> = init
        .iter()
        .filter(|s| if sidecar(&s.name) { s.started != Some(true) } else { !s.ready })
        .map(|s| s.name.as_str())
        .collect();
    if incomplete.is_empty() {
        return Verdict::plain(true);
    }
    Verdict {
        met: false,
        reason: Some("ContainersNotInitialized"),
        message: Some(format!("containers with incomplete status: [{}]", incomplete.join(" "))),
    }
}

fn containers_ready(
    input: &StatusInput<'_>,
    phase: Phase,
    init: &[ContainerStatus],
    app: &[ContainerStatus],
) -> Verdict {
    if let Some(reason) = over(phase) {
        return Verdict::because(false, reason);
    }
    if input.failure.is_some() {
        return Verdict::because(false, "PodFailed");
    }
    let sidecar =
        |s: &&ContainerStatus| pod::init_containers(input.pod).iter().any(|c| c.name == s.name && pod::is_sidecar(c));
    let unready: Vec<&str> =
        init.iter().filter(sidecar).chain(app).filter(|s| !s.ready).map(|s| s.name.as_str()).collect();
    if unready.is_empty() {
        return Verdict::plain(true);
    }
    Verdict {
        met: false,
        reason: Some("ContainersNotReady"),
        message: Some(format!("containers with unready status: [{}]", unready.join(" "))),
    }
}

fn readiness_gates(input: &StatusInput<'_>) -> Verdict {
    let old = input.old.conditions.as_deref().unwrap_or_default();
    let mut missing = Vec::new();
    for gate in pod::spec(input.pod).readiness_gates.iter().flatten() {
        match old.iter().find(|c| c.type_ == gate.condition_type) {
            None => missing.push(format!(
                "corresponding condition of pod readiness gate \"{}\" does not exist.",
                gate.condition_type
            )),
            Some(c) if c.status != "True" => missing.push(format!(
                "the status of pod readiness gate \"{}\" is not \"True\", but {}",
                gate.condition_type, c.status
            )),
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        return Verdict::plain(true);
    }
    Verdict { met: false, reason: Some("ReadinessGatesNotReady"), message: Some(missing.join(", ")) }
}
