//! Cases of statuses, in the words of a real node, and of the patches that carry them.

use super::*;
use crate::observed::ProbeResult;
use crate::resize::ResizeProgress;
use crate::testing;
use expect_test::{Expect, expect};
use runtime::service::{self, ExitReason};
use serde_json::{Value, json};

fn instance(name: &str, attempt: u32, exit: Option<(i32, ExitReason)>) -> service::ContainerStatus {
    let started = exit.is_none_or(|(_, reason)| reason != ExitReason::StartError);
    service::ContainerStatus {
        state: if exit.is_some() { service::ContainerState::Exited } else { service::ContainerState::Running },
        started_at: started.then_some(Timestamp::UNIX_EPOCH),
        finished_at: exit.map(|_| Timestamp::UNIX_EPOCH),
        exit_code: exit.map_or(0, |(code, _)| code),
        reason: exit.map(|(_, reason)| reason),
        image: "i:latest".to_owned(),
        image_ref: "sha256:1".to_owned(),
        ..testing::instance(name, attempt)
    }
}

struct Case {
    spec: Value,
    containers: Vec<service::ContainerStatus>,
    waiting: Vec<(&'static str, &'static str)>,
    stage: Stage,
    failure: Option<Failure>,
    not_started: Vec<&'static str>,
    resize: ResizeProgress,
}

fn case(spec: Value, containers: &[service::ContainerStatus]) -> Case {
    let containers = containers.to_vec();
    Case {
        spec,
        containers,
        waiting: Vec::new(),
        stage: Stage::Sync,
        failure: None,
        not_started: Vec::new(),
        resize: ResizeProgress::default(),
    }
}

const DONE: Option<(i32, ExitReason)> = Some((0, ExitReason::Completed));
const FAILED: Option<(i32, ExitReason)> = Some((1, ExitReason::Error));
const NOT_STARTED: Option<(i32, ExitReason)> = Some((128, ExitReason::StartError));

impl Case {
    fn over(mut self) -> Self {
        self.stage = Stage::Terminated;
        self
    }

    fn waits(mut self, name: &'static str, reason: &'static str) -> Self {
        self.waiting.push((name, reason));
        self
    }

    fn check(self, want: Expect) {
        let pod: Arc<Pod> =
            serde_json::from_value(json!({"metadata": {"name": "p", "generation": 1}, "spec": self.spec})).unwrap();
        let observed = Observed::new(vec![testing::sandbox("s1")], self.containers);
        let waiting = self.waiting.iter().map(|(name, reason)| {
            ((*name).to_owned(), Waiting { reason: (*reason).to_owned(), message: "words".to_owned() })
        });
        let mut probes = ProbeResults::default();
        for id in self.not_started {
            probes.0.insert(id.to_owned(), ProbeResult { started: false, ready: false, failed: None });
        }
        let status = generate(&StatusInput {
            pod: &pod,
            observed: &observed,
            old: &PodStatus::default(),
            sandbox_usable: true,
            addresses: &["10.0.0.2".parse().unwrap()],
            host_addresses: &["192.0.2.1".parse().unwrap()],
            waiting: &waiting.collect(),
            probes: &probes,
            messages: &BTreeMap::new(),
            failure: self.failure.as_ref(),
            stage: self.stage,
            resize: &self.resize,
            now: Timestamp::UNIX_EPOCH,
        });
        want.assert_eq(&text(&status));
    }
}

fn text(status: &PodStatus) -> String {
    let mut lines = vec![format!("{} {}", status.phase.as_deref().unwrap(), status.reason.as_deref().unwrap_or(""))];
    for c in status.conditions.iter().flatten() {
        lines.push(format!(
            "{}={} {} {}",
            c.type_,
            c.status,
            c.reason.as_deref().unwrap_or(""),
            c.message.as_deref().unwrap_or("")
        ));
    }
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    for c in all {
        let state = |s: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            let s = s.clone().unwrap_or_default();
            let waiting = s.waiting.map(|w| format!("waiting {}", w.reason.unwrap_or_default()));
            let running = s.running.map(|_| "running".to_owned());
            let ended = s.terminated.map(|t| format!("{} {}", t.reason.unwrap_or_default(), t.exit_code));
            waiting.or(running).or(ended).unwrap_or_else(|| "-".to_owned())
        };
        lines.push(format!(
            "{}: {} | {} | ready={} started={:?} restarts={}",
            c.name,
            state(&c.state),
            state(&c.last_state),
            c.ready,
            c.started.unwrap(),
            c.restart_count
        ));
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn one(policy: &str) -> Value {
    json!({"restartPolicy": policy, "containers": [{"name": "c", "image": "i"}]})
}

fn with_init(policy: &str) -> Value {
    json!({"restartPolicy": policy, "initContainers": [{"name": "i1"}, {"name": "i2"}], "containers": [{"name": "c"}]})
}

#[test]
fn a_plain_pod_from_creation_to_its_end() {
    case(one("Never"), &[]).check(expect![[r#"
        Pending
        PodReadyToStartContainers=True
        Initialized=True
        Ready=False ContainersNotReady containers with unready status: [c]
        ContainersReady=False ContainersNotReady containers with unready status: [c]
        PodScheduled=True
        c: waiting ContainerCreating | - | ready=false started=false restarts=0"#]]);
    case(one("Never"), &[instance("c", 0, None)]).check(expect![[r#"
        Running
        PodReadyToStartContainers=True
        Initialized=True
        Ready=True
        ContainersReady=True
        PodScheduled=True
        c: running | - | ready=true started=true restarts=0"#]]);
    case(one("Never"), &[instance("c", 0, DONE)]).over().check(expect![[r#"
        Succeeded
        PodReadyToStartContainers=False
        Initialized=True PodCompleted
        Ready=False PodCompleted
        ContainersReady=False PodCompleted
        PodScheduled=True
        c: Completed 0 | - | ready=false started=false restarts=0"#]]);
    case(one("Always"), &[instance("c", 0, Some((137, ExitReason::Error)))]).over().check(expect![[r#"
        Failed
        PodReadyToStartContainers=False
        Initialized=True
        Ready=False PodFailed
        ContainersReady=False PodFailed
        PodScheduled=True
        c: Error 137 | - | ready=false started=false restarts=0"#]]);
}

#[test]
fn failures_to_start_and_back_off() {
    case(one("Always"), &[instance("c", 0, NOT_STARTED)]).waits("c", "RunContainerError").check(expect![[r#"
        Running
        PodReadyToStartContainers=True
        Initialized=True
        Ready=False ContainersNotReady containers with unready status: [c]
        ContainersReady=False ContainersNotReady containers with unready status: [c]
        PodScheduled=True
        c: waiting RunContainerError | StartError 128 | ready=false started=false restarts=0"#]]);
    case(with_init("Always"), &[instance("i1", 1, FAILED), instance("i1", 0, FAILED)])
        .waits("i1", "CrashLoopBackOff")
        .check(expect![[r#"
            Pending
            PodReadyToStartContainers=True
            Initialized=False ContainersNotInitialized containers with incomplete status: [i1 i2]
            Ready=False ContainersNotReady containers with unready status: [c]
            ContainersReady=False ContainersNotReady containers with unready status: [c]
            PodScheduled=True
            i1: waiting CrashLoopBackOff | Error 1 | ready=false started=false restarts=1
            i2: waiting PodInitializing | - | ready=false started=false restarts=0
            c: waiting PodInitializing | - | ready=false started=false restarts=0"#]]);
}

#[test]
fn an_init_container_that_fails_for_good() {
    case(with_init("Never"), &[instance("i1", 0, FAILED)]).over().check(expect![[r#"
        Failed
        PodReadyToStartContainers=False
        Initialized=False ContainersNotInitialized containers with incomplete status: [i1 i2]
        Ready=False PodFailed
        ContainersReady=False PodFailed
        PodScheduled=True
        i1: Error 1 | - | ready=false started=false restarts=0
        i2: waiting PodInitializing | - | ready=false started=false restarts=0
        c: waiting PodInitializing | - | ready=false started=false restarts=0"#]]);
    // deleted while it ran: the conditions still say what it waited for
    case(with_init("Always"), &[instance("i1", 0, Some((137, ExitReason::Error)))]).over().check(expect![[r#"
        Failed
        PodReadyToStartContainers=False
        Initialized=False ContainersNotInitialized containers with incomplete status: [i1 i2]
        Ready=False ContainersNotReady containers with unready status: [c]
        ContainersReady=False ContainersNotReady containers with unready status: [c]
        PodScheduled=True
        i1: Error 137 | - | ready=false started=false restarts=0
        i2: waiting PodInitializing | - | ready=false started=false restarts=0
        c: waiting PodInitializing | - | ready=false started=false restarts=0"#]]);
}

#[test]
fn sidecars_count_for_readiness() {
    let spec = json!({"restartPolicy": "Never", "initContainers": [{"name": "s", "restartPolicy": "Always"}], "containers": [{"name": "c"}]});
    case(spec.clone(), &[instance("s", 0, FAILED), instance("c", 0, None)]).check(expect![[r#"
        Running
        PodReadyToStartContainers=True
        Initialized=True
        Ready=False ContainersNotReady containers with unready status: [s]
        ContainersReady=False ContainersNotReady containers with unready status: [s]
        PodScheduled=True
        s: Error 1 | - | ready=false started=false restarts=0
        c: running | - | ready=true started=true restarts=0"#]]);
    let mut starting = case(spec, &[instance("s", 0, None)]);
    starting.not_started.push("s-0");
    starting.check(expect![[r#"
        Pending
        PodReadyToStartContainers=True
        Initialized=False ContainersNotInitialized containers with incomplete status: [s]
        Ready=False ContainersNotReady containers with unready status: [s c]
        ContainersReady=False ContainersNotReady containers with unready status: [s c]
        PodScheduled=True
        s: running | - | ready=false started=false restarts=0
        c: waiting PodInitializing | - | ready=false started=false restarts=0"#]]);
}

#[test]
fn a_pod_past_its_deadline() {
    let mut late = case(one("Always"), &[instance("c", 0, DONE)]).over();
    late.failure = Some(Failure { reason: "DeadlineExceeded".to_owned(), message: "late".to_owned() });
    late.check(expect![[r#"
        Failed DeadlineExceeded
        PodReadyToStartContainers=False
        Initialized=True
        Ready=False PodFailed
        ContainersReady=False PodFailed
        PodScheduled=True
        c: Completed 0 | - | ready=false started=false restarts=0"#]]);
}

#[test]
fn patches_touch_only_what_has_changed() {
    let old = json!({
        "phase": "Pending", "reason": "x", "podIPs": [{"ip": "1"}],
        "conditions": [{"type": "Ready", "status": "False", "reason": "r"}, {"type": "Mine", "status": "True"}],
        "containerStatuses": [{"name": "c"}], "qosClass": "BestEffort"});
    let new = json!({
        "phase": "Running", "podIPs": [{"ip": "2"}],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Mine", "status": "True"}],
        "containerStatuses": [{"name": "c", "ready": true}], "qosClass": "BestEffort"});
    let patch = patch::status_patch(&old, &new).unwrap();
    let want = json!({
        "phase": "Running", "reason": null, "podIPs": [{"$patch": "replace"}, {"ip": "2"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": null}],
        "containerStatuses": [{"name": "c", "ready": true}]});
    assert_eq!(patch, want);
    assert_eq!(patch::status_patch(&new, &new), None);
}
