//! Who is over what, and how it ends.

use super::*;
use crate::testing::World;
use serde_json::{Value, json};

fn pod_of(spec: &Value) -> Arc<Pod> {
    let metadata = json!({"name": "p", "namespace": "default", "uid": "u", "resourceVersion": "0"});
    Arc::new(serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap())
}

fn container(name: &str, limit: &str) -> Value {
    let resources = if limit.is_empty() { json!({}) } else { json!({"limits": {"ephemeral-storage": limit}}) };
    json!({"name": name, "image": "busybox", "imagePullPolicy": "IfNotPresent", "resources": resources})
}

fn verdict(spec: &Value, volumes: &[(&str, u64)], containers: &[(&str, u64)]) -> String {
    let map = |list: &[(&str, u64)]| list.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect();
    let usage = Usage { volumes: map(volumes), containers: map(containers) };
    let pod = pod_of(spec);
    assert!(has_limits(&pod));
    excess(&pod, &usage).unwrap_or_default()
}

#[test]
fn more_than_the_limit_and_no_less() {
    let scratch = json!({"containers": [], "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]});
    assert_eq!(verdict(&scratch, &[("v", 1 << 20)], &[]), "");
    let words = "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ";
    assert_eq!(verdict(&scratch, &[("v", (1 << 20) + 512)], &[]), words);
    let memory = json!({"containers": [container("a", "2Mi")], "volumes": [
        {"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}, {"name": "w", "emptyDir": {}}]});
    assert_eq!(verdict(&memory, &[("v", 4 << 20), ("w", 1 << 20)], &[("a", 1 << 20)]), "", "memory is no disk");
    let words = "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ";
    assert_eq!(verdict(&memory, &[("w", 1 << 20)], &[("a", (1 << 20) + 1)]), words);
    let two = json!({"containers": [container("a", "1Mi"), container("b", "1Gi"), container("c", "")]});
    assert_eq!(verdict(&two, &[], &[("a", 1 << 20), ("b", 9 << 20), ("c", 1 << 29)]), "");
    let words = "Container a exceeded its local ephemeral storage limit \"1Mi\". ";
    assert_eq!(verdict(&two, &[], &[("a", (1 << 20) + 1)]), words);
    for without in [
        json!({"containers": [container("a", "")]}),
        json!({"containers": [], "volumes": [{"name": "v", "emptyDir": {}}]}),
    ] {
        assert!(!has_limits(&pod_of(&without)), "{without}");
    }
}

/// Waits for the pod's end; its status in words and how its container was stopped.
async fn evicted(world: &World, pod: &Arc<Pod>) -> (String, String) {
    let task = tokio::spawn(run(world.shared.clone(), world.workers.clone(), world.shutdown.clone()));
    world.until("it looks", |w| w.clock.sleepers() > 0).await;
    world.advance(10).await;
    world.until("it has failed", |w| w.phase(pod) == "Failed").await;
    let status = world.shared.statuses.get(&pod::uid(pod)).unwrap();
    let event = world.events().lines().find(|line| line.contains(REASON)).unwrap_or_default().to_owned();
    world.shutdown.cancel();
    task.await.unwrap();
    (format!("{}: {}", status.reason.unwrap(), status.message.unwrap()), event)
}

#[tokio::test]
async fn a_volume_that_grows_too_large_ends_its_pod() {
    let world = World::new();
    let volumes = json!([{"name": "v", "emptyDir": {"sizeLimit": "64Ki"}}]);
    let pod =
        pod_of(&json!({"containers": [container("c", "")], "volumes": volumes, "terminationGracePeriodSeconds": 30}));
    world.workers.update(pod.clone());
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    let volume = world.shared.config.paths.volume("u", "kubernetes.io/empty-dir", "v");
    std::fs::write(volume.join("file"), vec![1; 1 << 17]).unwrap();
    let (status, event) = evicted(&world, &pod).await;
    assert_eq!(status, "Evicted: Usage of EmptyDir volume \"v\" exceeds the limit \"64Ki\". ");
    assert_eq!(event, "Warning Evicted pod: Usage of EmptyDir volume \"v\" exceeds the limit \"64Ki\". ");
    let stop = runtime::fake::Call::StopContainer("c".to_owned(), Duration::from_secs(1));
    assert!(world.runtime.calls().contains(&stop), "{:?}", world.runtime.calls());
}

#[tokio::test]
async fn layers_and_logs_count_against_a_containers_limit() {
    let world = World::new();
    let pod = pod_of(&json!({"containers": [container("c", "1Mi"), container("d", "1Gi")]}));
    world.workers.update(pod.clone());
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    world.runtime.set_writable_layer_bytes(1 << 20);
    let log = world.shared.config.paths.log_directory(&pod).join("c/0.log");
    std::fs::write(log, "words\n").unwrap();
    let (status, _) = evicted(&world, &pod).await;
    assert_eq!(status, "Evicted: Container c exceeded its local ephemeral storage limit \"1Mi\". ");
}
