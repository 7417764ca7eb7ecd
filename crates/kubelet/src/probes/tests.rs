//! What comes of probes: events, restarts, readiness, on a runtime and with a time that only pretend.

use crate::pod;
use crate::testing::World;
use k8s_openapi::api::core::v1::Pod;
use runtime::fake::{Call, Script};
use runtime::service::ExecOutput;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A pod of one container with this more.
fn pod_with(more: Value) -> Arc<Pod> {
    let mut container = json!({"name": "c", "image": "busybox", "imagePullPolicy": "IfNotPresent"});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let spec = json!({"terminationGracePeriodSeconds": 30, "containers": [container]});
    let metadata = json!({"name": "p", "namespace": "default", "uid": "u", "resourceVersion": "0"});
    Arc::new(serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap())
}

/// Restarts and readiness.
fn state(world: &World, pod: &Pod) -> (i32, bool) {
    let status = world.shared.statuses.get(&pod::uid(pod)).unwrap_or_default();
    let container = status.container_statuses.into_iter().flatten().next();
    container.map_or((0, false), |c| (c.restart_count, c.ready))
}

fn count(world: &World, words: &str) -> usize {
    world.events().matches(words).count()
}

fn says(code: i32, text: &str) -> ExecOutput {
    ExecOutput { exit_code: code, stdout: text.as_bytes().to_vec(), ..ExecOutput::default() }
}

#[tokio::test]
async fn a_container_that_is_not_alive_is_ended_within_the_grace_of_its_probe() {
    let world = World::new();
    world.runtime.script("c", Script::RunStubborn);
    world.runtime.script_exec(&["check"], says(1, "sick\n"));
    let pod = pod_with(json!({"livenessProbe": {
        "exec": {"command": ["check"]}, "periodSeconds": 10, "failureThreshold": 2, "terminationGracePeriodSeconds": 3}}));
    world.workers.update(pod.clone());
    let sick = "Warning Unhealthy spec.containers{c}: Liveness probe failed: sick";
    world.until("it fails once", |w| count(w, sick) == 1).await;
    assert_eq!(count(&world, "Killing"), 0, "one failure is not two");
    world.advance(10).await;
    let stop = Call::StopContainer("c".to_owned(), Duration::from_secs(3));
    world.until("it is stopped", |w| w.runtime.calls().contains(&stop)).await;
    assert_eq!(count(&world, "Killing spec.containers{c}: Container c failed liveness probe, will be restarted"), 1);
    world.runtime.script_exec(&["check"], says(0, ""));
    world.advance(3).await;
    world.until("it begins anew", |w| state(w, &pod) == (1, true)).await;
}

#[tokio::test]
async fn a_probe_that_cannot_be_tried_changes_nothing() {
    let world = World::new();
    let probe = |port: &str| json!({"tcpSocket": {"port": port}, "periodSeconds": 5, "failureThreshold": 1});
    let pod = pod_with(json!({"livenessProbe": probe("nowhere"), "readinessProbe": probe("elsewhere")}));
    world.workers.update(pod.clone());
    let unknown = |kind: &str, port: &str| {
        let words = "probe errored and resulted in unknown state";
        format!("Warning Unhealthy spec.containers{{c}}: {kind} {words}: port {port} not found")
    };
    let tried = [unknown("Liveness", "nowhere"), unknown("Readiness", "elsewhere")];
    for times in 1..4 {
        world.until("both were tried", |w| tried.iter().all(|words| count(w, words) == times)).await;
        world.advance(5).await;
    }
    assert_eq!(state(&world, &pod), (0, false));
    assert_eq!(count(&world, "Killing"), 0, "{}", world.events());
}

#[tokio::test]
async fn nothing_else_is_probed_before_a_container_has_started() {
    let world = World::new();
    world.runtime.script_exec(&["started"], says(1, ""));
    let probe = |command: &str| json!({"exec": {"command": [command]}, "periodSeconds": 1, "failureThreshold": 100});
    let pod = pod_with(json!({"startupProbe": probe("started"), "readinessProbe": probe("ready")}));
    world.workers.update(pod.clone());
    world.until("it was asked", |w| count(w, "Startup probe failed") == 1).await;
    world.advance(1).await;
    world.until("it was asked again", |w| count(w, "Startup probe failed") == 2).await;
    let ready = Call::ExecSync(vec!["ready".to_owned()]);
    assert!(!world.runtime.calls().contains(&ready));
    world.runtime.script_exec(&["started"], says(0, ""));
    world.advance(1).await;
    world.until("it is ready", |w| state(w, &pod) == (0, true)).await;
    assert!(world.runtime.calls().contains(&ready));
}
