//! The plan, case by case: what is there in one line, what is planned in another.

use super::*;
use crate::observed::ProbeResult;
use crate::testing;
use expect_test::{Expect, expect};
use runtime::service::{PodSandboxMetadata, PodSandboxStatus, SandboxState};
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec})).unwrap()
}

/// `c:0:running`, `c:1:exited=3@10` (attempt 1, exit code 3, ended at second 10), `c:0:unstartable=128@10` (never ran),
/// ` in s0` for an older sandbox.
fn container(pod: &Pod, text: &str) -> ContainerStatus {
    let (text, sandbox) = text.split_once(" in ").unwrap_or((text, "s1"));
    let parts: Vec<&str> = text.split(':').collect();
    let spec = pod::container(pod, parts[0]).map(|(_, c)| c).unwrap_or_default();
    let (state, exit_code, finished) = match parts[2].split_once('=') {
        Some((_, rest)) => {
            let (code, when) = rest.split_once('@').unwrap_or((rest, "0"));
            (ContainerState::Exited, code.parse().unwrap(), Some(at(when.parse().unwrap())))
        }
        None if parts[2] == "created" => (ContainerState::Created, 0, None),
        None => (ContainerState::Running, 0, None),
    };
    let attempt: u32 = parts[1].parse().unwrap();
    ContainerStatus {
        sandbox_id: SandboxId(sandbox.to_owned()),
        state,
        created_at: at(i64::from(attempt)),
        started_at: Some(at(0)).filter(|_| !parts[2].starts_with("unstartable")),
        finished_at: finished,
        exit_code,
        annotations: BTreeMap::from([(pod::labels::CONTAINER_HASH.to_owned(), pod::container_hash(&spec))]),
        ..testing::instance(parts[0], attempt)
    }
}

fn sandbox(id: &str, attempt: u32, state: SandboxState) -> PodSandboxStatus {
    PodSandboxStatus {
        metadata: PodSandboxMetadata { attempt, ..PodSandboxMetadata::default() },
        state,
        created_at: at(0),
        ..testing::sandbox(id)
    }
}

struct Case {
    pod: Pod,
    sandboxes: Vec<PodSandboxStatus>,
    containers: Vec<String>,
    now: i64,
    not_started: Vec<String>,
    failed: Option<(String, ProbeFailure)>,
    replaced: Vec<String>,
}

fn case(spec: Value, containers: &[&str]) -> Case {
    Case {
        pod: pod(spec),
        sandboxes: vec![sandbox("s1", 0, SandboxState::Ready)],
        containers: containers.iter().map(|c| (*c).to_owned()).collect(),
        now: 0,
        not_started: Vec::new(),
        failed: None,
        replaced: Vec::new(),
    }
}

impl Case {
    fn now(mut self, second: i64) -> Self {
        self.now = second;
        self
    }

    fn lost(mut self) -> Self {
        self.sandboxes = vec![sandbox("s1", 0, SandboxState::NotReady)];
        self
    }

    fn anew(mut self) -> Self {
        self.sandboxes = vec![sandbox("s1", 1, SandboxState::Ready), sandbox("s0", 0, SandboxState::NotReady)];
        self
    }

    fn check(self, want: Expect) {
        let containers: Vec<_> = self.containers.iter().map(|c| container(&self.pod, c)).collect();
        let mut backoff = Backoff::default();
        let mut oldest_first = containers.clone();
        oldest_first.sort_by_key(|c| c.metadata.attempt);
        oldest_first.iter().for_each(|c| backoff.observe(c));
        let observed = Observed::new(self.sandboxes, containers);
        let mut probes = ProbeResults::default();
        for id in &self.not_started {
            probes.0.insert(id.clone(), ProbeResult { started: false, ready: false, failed: None });
        }
        if let Some((id, failed)) = &self.failed {
            probes.0.insert(id.clone(), ProbeResult { started: true, ready: true, failed: Some(*failed) });
        }
        let actions = compute_pod_actions(&PlanInput {
            pod: &self.pod,
            observed: &observed,
            sandbox_usable: observed.ready_sandbox().is_some(),
            probes: &probes,
            backoff: &backoff,
            held: &BTreeMap::new(),
            replaced: &self.replaced.iter().map(|id| ContainerId(id.clone())).collect(),
            now: at(self.now),
        });
        want.assert_eq(&text(&actions));
    }
}

fn text(actions: &PodActions) -> String {
    let mut parts = Vec::new();
    parts.extend(actions.kill_sandboxes.iter().map(|s| format!("stop sandbox {s}")));
    parts.extend(actions.create_sandbox.map(|attempt| format!("make sandbox {attempt}")));
    parts.extend(actions.kill.iter().map(|k| {
        let grace = k.grace_period_seconds.map(|seconds| format!(" within {seconds} s")).unwrap_or_default();
        format!("kill {}{grace}: {}", k.id, k.message)
    }));
    parts.extend(actions.remove.iter().map(|id| format!("remove {id}")));
    parts.extend(actions.remove_sandboxes.iter().map(|id| format!("remove sandbox {id}")));
    parts.extend(actions.start.iter().map(|s| format!("start {} {:?} {}", s.name, s.role, s.attempt)));
    parts.extend(actions.backing_off.iter().map(|b| format!("{} waits {:?}", b.name, b.delay)));
    parts.extend(actions.wake_at.map(|t| format!("wake at {}", t.as_second() - 1_000_000)));
    parts.extend(actions.finished.then(|| "finished".to_owned()));
    parts.join("; ")
}

fn one(policy: &str) -> Value {
    json!({"restartPolicy": policy, "containers": [{"name": "c", "image": "i"}]})
}

fn with_init(policy: &str) -> Value {
    json!({"restartPolicy": policy, "initContainers": [{"name": "i1"}, {"name": "i2"}], "containers": [{"name": "c"}, {"name": "d"}]})
}

fn with_sidecar(policy: &str) -> Value {
    json!({"restartPolicy": policy,
        "initContainers": [{"name": "s", "restartPolicy": "Always"}, {"name": "i"}], "containers": [{"name": "c"}]})
}

#[test]
fn sandboxes() {
    let mut new = case(one("Always"), &[]);
    new.sandboxes.clear();
    new.check(expect!["make sandbox 0"]);
    case(one("Always"), &["c:0:running"]).lost().check(expect!["stop sandbox s1; make sandbox 1"]);
    case(one("Never"), &["c:0:exited=255"]).lost().check(expect!["finished"]);
    case(one("OnFailure"), &["c:0:exited=0"]).lost().check(expect!["finished"]);
    // in the new sandbox: the restart count goes on, init containers run again
    case(one("Always"), &["c:0:exited=255 in s0"]).anew().check(expect!["start c App 1"]);
    case(with_init("Always"), &["i1:0:exited=0 in s0", "i2:0:exited=0 in s0", "c:0:exited=255 in s0"])
        .anew()
        .check(expect!["start i1 Init 1"]);
}

#[test]
fn restart_policies() {
    case(one("Always"), &[]).check(expect!["start c App 0"]);
    case(one("Always"), &["c:0:running"]).check(expect![""]);
    case(one("Always"), &["c:0:exited=0"]).check(expect!["start c App 1"]);
    case(one("OnFailure"), &["c:0:exited=0"]).check(expect!["finished"]);
    case(one("OnFailure"), &["c:0:exited=1"]).check(expect!["start c App 1"]);
    case(one("Never"), &["c:0:exited=1"]).check(expect!["finished"]);
    case(one("Always"), &["c:0:created"]).check(expect!["remove c-0; start c App 0"]);
}

#[test]
fn backoff_counts_from_the_end_of_the_last_instance() {
    let crashed = |n: u32| -> Vec<String> { (0..=n).map(|i| format!("c:{i}:exited=1@100")).collect() };
    for (n, now, want) in [
        (0, 100, expect!["start c App 1"]),
        (1, 100, expect!["c waits 10s; wake at 110"]),
        (1, 109, expect!["c waits 10s; wake at 110"]),
        (1, 110, expect!["start c App 2"]),
        (2, 100, expect!["remove c-0; c waits 20s; wake at 120"]),
        (5, 100, expect!["remove c-3; remove c-2; remove c-1; remove c-0; c waits 160s; wake at 260"]),
        (6, 100, expect!["remove c-4; remove c-3; remove c-2; remove c-1; remove c-0; c waits 300s; wake at 400"]),
    ] {
        let containers = crashed(n);
        let containers: Vec<&str> = containers.iter().map(String::as_str).collect();
        case(one("Always"), &containers).now(now).check(want);
    }
    // ten minutes of running make it good
    case(one("Always"), &["c:0:exited=1@1", "c:1:exited=1@600"]).now(600).check(expect!["start c App 2"]);
    // a kubelet that has just started sees two instances of many, and goes on with the loop
    case(one("Always"), &["c:3:exited=1@1"]).now(1).check(expect!["c waits 40s; wake at 41"]);
}

#[test]
fn what_could_not_be_started_is_shown_before_it_is_tried_again() {
    case(one("Always"), &["c:0:unstartable=128@100"]).now(100).check(expect!["wake at 100"]);
    case(one("Always"), &["c:0:unstartable=128@100"]).now(101).check(expect!["start c App 1"]);
    case(one("Never"), &["c:0:unstartable=128@100"]).now(100).check(expect!["finished"]);
    let twice = ["c:0:unstartable=128@100", "c:1:unstartable=128@100"];
    case(one("Always"), &twice).now(101).check(expect!["c waits 10s; wake at 102"]);
    case(one("Always"), &twice).now(102).check(expect!["c waits 10s; wake at 110"]);
    case(one("Always"), &twice).now(110).check(expect!["start c App 2"]);
}

#[test]
fn init_containers_run_one_after_the_other() {
    case(with_init("Always"), &[]).check(expect!["start i1 Init 0"]);
    case(with_init("Always"), &["i1:0:running"]).check(expect![""]);
    case(with_init("Always"), &["i1:0:exited=0"]).check(expect!["start i2 Init 0"]);
    case(with_init("Always"), &["i1:0:exited=0", "i2:0:exited=0"]).check(expect!["start c App 0; start d App 0"]);
    case(with_init("Always"), &["i1:0:exited=1"]).check(expect!["start i1 Init 1"]);
    case(with_init("OnFailure"), &["i1:0:exited=0", "i2:0:exited=1@5", "i2:1:exited=1@5"])
        .now(5)
        .check(expect!["i2 waits 10s; wake at 15"]);
    case(with_init("Never"), &["i1:0:exited=1"]).check(expect!["finished"]);
    // records of finished init containers may be gone: they do not run again beside an app container
    case(with_init("Always"), &["c:0:running"]).check(expect!["start d App 0"]);
    case(with_init("Always"), &["i2:0:running"]).check(expect![""]);
}

#[test]
fn sidecars() {
    case(with_sidecar("Never"), &[]).check(expect!["start s Sidecar 0"]);
    let mut starting = case(with_sidecar("Never"), &["s:0:running"]);
    starting.not_started.push("s-0".to_owned());
    starting.check(expect![""]);
    case(with_sidecar("Never"), &["s:0:running"]).check(expect!["start i Init 0"]);
    case(with_sidecar("Never"), &["s:0:exited=0", "i:0:running"]).check(expect!["start s Sidecar 1"]);
    case(with_sidecar("Never"), &["s:0:exited=1", "i:0:exited=0"]).check(expect!["start s Sidecar 1; start c App 0"]);
    case(with_sidecar("Never"), &["s:0:exited=1", "i:0:exited=0", "c:0:running"]).check(expect!["start s Sidecar 1"]);
    case(with_sidecar("Never"), &["s:0:running", "i:0:exited=0", "c:0:exited=0"]).check(expect!["finished"]);
    case(with_sidecar("Never"), &["s:0:running", "i:0:exited=1"]).check(expect!["finished"]);
}

#[test]
fn running_containers_that_are_wrong() {
    let mut unhealthy = case(one("Always"), &["c:0:running"]);
    unhealthy.failed = Some(("c-0".to_owned(), ProbeFailure::Liveness));
    unhealthy.check(expect!["kill c-0: Container c failed liveness probe, will be restarted"]);
    let (liveness, startup) =
        (json!({"terminationGracePeriodSeconds": 3}), json!({"terminationGracePeriodSeconds": 4}));
    let probed = json!({"containers": [{"name": "c", "livenessProbe": liveness, "startupProbe": startup}]});
    let mut own_grace = case(probed.clone(), &["c:0:running"]);
    own_grace.failed = Some(("c-0".to_owned(), ProbeFailure::Liveness));
    own_grace.check(expect!["kill c-0 within 3 s: Container c failed liveness probe, will be restarted"]);
    let mut own_grace = case(probed, &["c:0:running"]);
    own_grace.failed = Some(("c-0".to_owned(), ProbeFailure::Startup));
    own_grace.check(expect!["kill c-0 within 4 s: Container c failed startup probe, will be restarted"]);
    let mut other = case(one("Always"), &["c:0:running"]);
    let running = container(&other.pod, "c:0:running");
    other.pod = pod(json!({"containers": [{"name": "c", "image": "another"}]}));
    let observed = Observed::new(other.sandboxes.clone(), vec![running]);
    let actions = compute_pod_actions(&PlanInput {
        pod: &other.pod,
        observed: &observed,
        sandbox_usable: true,
        probes: &ProbeResults::default(),
        backoff: &Backoff::default(),
        held: &BTreeMap::new(),
        replaced: &BTreeSet::new(),
        now: at(0),
    });
    expect!["kill c-0: Container c definition changed, will be restarted"].assert_eq(&text(&actions));
}

#[test]
fn a_held_container_waits_and_others_do_not() {
    let pod = pod(with_init("Always"));
    let observed = Observed::new(
        vec![sandbox("s1", 0, SandboxState::Ready)],
        vec![container(&pod, "i1:0:exited=0"), container(&pod, "i2:0:exited=0")],
    );
    let actions = compute_pod_actions(&PlanInput {
        pod: &pod,
        observed: &observed,
        sandbox_usable: true,
        probes: &ProbeResults::default(),
        backoff: &Backoff::default(),
        held: &BTreeMap::from([("c".to_owned(), at(9))]),
        replaced: &BTreeSet::new(),
        now: at(0),
    });
    expect!["start d App 0; wake at 9"].assert_eq(&text(&actions));
}

#[test]
fn what_was_stopped_to_be_started_anew_is() {
    let mut ended = case(one("Never"), &["c:0:exited=0"]);
    ended.replaced = vec!["c-0".to_owned()];
    ended.check(expect!["start c App 1"]);
    case(one("Never"), &["c:0:exited=0"]).check(expect!["finished"]);
}
