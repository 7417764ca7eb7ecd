//! Whole lives of pods, on a runtime and with a time that only pretend.

use crate::pod;
use crate::testing::World;
use expect_test::expect;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::fake::{Call, Script};
use runtime::service::{RegistryAuth, StartFailure, StartFailureKind};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn pod_of(spec: Value) -> Arc<Pod> {
    Arc::new(
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "default", "uid": "u", "generation": 1, "resourceVersion": "0"}, "spec": spec}))
        .unwrap(),
    )
}

fn container(name: &str) -> Value {
    json!({"name": name, "image": "busybox", "imagePullPolicy": "IfNotPresent"})
}

fn restarts(world: &World, pod: &Pod) -> i32 {
    let status = world.shared.statuses.get(&pod::uid(pod)).unwrap_or_default();
    status.container_statuses.iter().flatten().map(|c| c.restart_count).sum()
}

fn waits(world: &World, pod: &Pod, reason: &str) -> bool {
    let status = world.shared.statuses.get(&pod::uid(pod)).unwrap_or_default();
    let all = status.container_statuses.into_iter().chain(status.init_container_statuses).flatten();
    all.filter_map(|c| c.state?.waiting?.reason).any(|r| r == reason)
}

#[tokio::test]
async fn a_pod_with_an_init_container_runs_and_is_deleted() {
    let world = World::new();
    world.runtime.script("i", Script::Exit { after: Duration::from_secs(1), exit_code: 0 });
    world.runtime.script("c", Script::Run { exit_code_on_stop: 0 });
    let pod = pod_of(json!({"initContainers": [container("i")], "containers": [container("c")]}));
    world.workers.update(pod.clone());
    world.advance(1).await;
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    let mut deleted = (*pod).clone();
    deleted.metadata.deletion_timestamp = Some(Time(world.now()));
    deleted.metadata.deletion_grace_period_seconds = Some(7);
    world.workers.update(Arc::new(deleted));
    world.until("its object is gone", |w| !w.api.deleted.lock().unwrap().is_empty()).await;
    world.until("its worker is gone", |w| w.workers.all().is_empty()).await;
    let stop = Call::StopContainer("c".to_owned(), Duration::from_secs(7));
    assert!(world.runtime.calls().contains(&stop), "{:?}", world.runtime.calls());
    expect![[r#"
        Normal Pulled spec.initContainers{i}: Container image "busybox" already present on machine and can be accessed by the pod
        Normal Created spec.initContainers{i}: Container created
        Normal Started spec.initContainers{i}: Container started
        Normal Pulled spec.containers{c}: Container image "busybox" already present on machine and can be accessed by the pod
        Normal Created spec.containers{c}: Container created
        Normal Started spec.containers{c}: Container started
        Normal Killing spec.containers{c}: Stopping container c"#]]
    .assert_eq(&world.events());
    let patches = world.api.patches.lock().unwrap();
    assert!(patches.iter().any(|patch| patch["status"]["phase"] == "Succeeded"), "{patches:?}");
}

#[tokio::test]
async fn links_to_logs_go_with_their_pod_and_no_other() {
    let world = World::new();
    world.runtime.script("c", Script::Run { exit_code_on_stop: 0 });
    let pod = pod_of(json!({"containers": [container("c")]}));
    let paths = &world.shared.config.paths;
    let before = pod_of(json!({"containers": []}));
    let mut before = (*before).clone();
    before.metadata.uid = Some("before".to_owned()); // of the same name
    std::fs::create_dir_all(&paths.container_logs).unwrap();
    let link = |pod: &Pod, id: &str| {
        let link = paths.log_link(pod, "c", id);
        std::os::unix::fs::symlink(paths.log(pod, "c", 0), &link).unwrap();
        link
    };
    // the runtime knows neither: its removal of the first was cut short
    let (forgotten, other) = (link(&pod, "forgotten"), link(&before, "other"));
    world.workers.update(pod.clone());
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    assert!(forgotten.is_symlink());
    let mut deleted = (*pod).clone();
    deleted.metadata.deletion_timestamp = Some(Time(world.now()));
    deleted.metadata.deletion_grace_period_seconds = Some(1);
    world.workers.update(Arc::new(deleted));
    world.until("its worker is gone", |w| w.workers.all().is_empty()).await;
    let left: Vec<_> = std::fs::read_dir(&paths.container_logs).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [other]);
}

#[tokio::test]
async fn a_command_that_does_not_exist_backs_off() {
    let world = World::new();
    let failure =
        StartFailure::new(StartFailureKind::ExecutableNotFound, "exec: \"x\": executable file not found in $PATH");
    world.runtime.script("c", Script::FailStart(failure));
    let pod = pod_of(json!({"containers": [container("c")]}));
    world.workers.update(pod.clone());
    // the first restart comes when the failure was seen, the second after ten seconds
    world.until("it could not start", |w| waits(w, &pod, "RunContainerError") && restarts(w, &pod) == 0).await;
    world.advance(1).await;
    world.until("it could not start again", |w| waits(w, &pod, "RunContainerError") && restarts(w, &pod) == 1).await;
    // why it failed is shown for a moment before the back-off is
    world.advance(2).await;
    world.until("it backs off", |w| waits(w, &pod, "CrashLoopBackOff") && restarts(w, &pod) == 1).await;
    world.advance(7).await;
    world.advance(1).await;
    world.until("it was tried again", |w| waits(w, &pod, "RunContainerError") && restarts(w, &pod) == 2).await;
    world.advance(2).await;
    world.until("it backs off again", |w| waits(w, &pod, "CrashLoopBackOff")).await;
    let status = world.shared.statuses.get(&pod::uid(&pod)).unwrap();
    let container = &status.container_statuses.unwrap()[0];
    let waiting = container.state.clone().unwrap().waiting.unwrap();
    assert_eq!(waiting.message.unwrap(), "back-off 20s restarting failed container=c pod=p_default(u)");
    let ended = container.last_state.clone().unwrap().terminated.unwrap();
    assert_eq!((ended.exit_code, ended.reason.as_deref()), (128, Some("StartError")));
    assert_eq!(ended.started_at.unwrap().0.as_second(), 0);
}

#[tokio::test]
async fn a_config_map_that_is_missing_is_waited_for() {
    let world = World::new();
    let mut with_env = container("c");
    with_env["env"] = json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]);
    let pod = pod_of(json!({"containers": [with_env]}));
    world.workers.update(pod.clone());
    world.until("it waits", |w| waits(w, &pod, "CreateContainerConfigError")).await;
    let config_map = serde_json::from_value(json!({"metadata": {"resourceVersion": "5"}, "data": {"k": "v"}})).unwrap();
    world.api.config_maps.lock().unwrap().insert("m".to_owned(), config_map);
    let object = crate::watches::Watched::ConfigMap("default".to_owned(), "m".to_owned());
    world.workers.object_changed(&pod::uid(&pod), &object, Some("5"));
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    let id = world.shared.observed.get(&pod::uid(&pod)).unwrap().containers[0].id.clone();
    let config = world.runtime.container_config(&id).unwrap();
    assert!(config.envs.iter().any(|e| e.name == "A" && e.value == "v"));
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled() {
    let world = World::new();
    let pod = pod_of(json!({"containers": [{"name": "c", "image": "nosuch", "imagePullPolicy": "IfNotPresent"}]}));
    world.workers.update(pod.clone());
    world.until("it backs off", |w| waits(w, &pod, "ImagePullBackOff")).await;
    world.runtime.add_remote_image("nosuch");
    world.advance(10).await;
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    let events = world.events();
    for words in [
        "Pulling image \"nosuch\"",
        "Error: ErrImagePull",
        "Normal BackOff",
        "Error: ImagePullBackOff",
        "Successfully pulled",
    ] {
        assert!(events.contains(words), "{words}: {events}");
    }
}

#[tokio::test]
async fn an_image_of_a_private_registry() {
    let world = World::new();
    let auth = RegistryAuth::Basic { username: "u".to_owned(), password: "p".to_owned() };
    world.runtime.add_private_image("registry.example/app:1", auth);
    let container = json!({"name": "c", "image": "registry.example/app:1", "imagePullPolicy": "Always"});
    let pod = pod_of(json!({"containers": [container], "imagePullSecrets": [{"name": "gone"}, {"name": "s"}]}));
    world.workers.update(pod.clone());
    world.until("it backs off", |w| waits(w, &pod, "ImagePullBackOff")).await;
    let words = "Unable to retrieve some image pull secrets (gone, s); attempting to pull the image may not succeed.";
    assert!(world.events().contains(words), "{}", world.events());
    let data = json!({"registry.example": {"auth": "dTpw"}}).to_string();
    let bytes = k8s_openapi::ByteString(data.into_bytes());
    let secret = Secret {
        type_: Some("kubernetes.io/dockercfg".to_owned()),
        data: Some([(".dockercfg".to_owned(), bytes)].into()),
        ..Secret::default()
    };
    world.api.secrets.lock().unwrap().insert("s".to_owned(), secret);
    world.advance(10).await;
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
}

#[tokio::test]
async fn images_that_are_volumes_are_waited_for_and_mounted() {
    let world = World::new();
    let mounts = json!([{"name": "v", "mountPath": "/v", "subPath": "d"}, {"name": "w", "mountPath": "/w"}]);
    let mut with_volumes = container("c");
    with_volumes["volumeMounts"] = mounts;
    let volumes = json!([
        {"name": "v", "image": {"reference": "data:1", "pullPolicy": "Always"}},
        {"name": "w", "image": {"reference": "busybox", "pullPolicy": "Never"}},
        {"name": "unused", "image": {"reference": "nosuch", "pullPolicy": "Always"}}]);
    let pod = pod_of(json!({"containers": [with_volumes, container("d")], "volumes": volumes}));
    world.workers.update(pod.clone());
    world.until("it backs off", |w| waits(w, &pod, "ImagePullBackOff")).await;
    world.runtime.add_remote_image("data:1");
    world.advance(10).await;
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    let pulls = |w: &World| w.runtime.calls().iter().filter(|c| matches!(c, Call::PullImage(_))).count();
    assert_eq!(pulls(&world), 2, "{:?}", world.runtime.calls());
    let status = world.shared.statuses.get(&pod::uid(&pod)).unwrap();
    let id = status.container_statuses.iter().flatten().find(|c| c.name == "c").and_then(|c| c.container_id.clone());
    let id = runtime::service::ContainerId(id.unwrap().trim_start_matches("pintle://").to_owned());
    let mounts = world.runtime.container_config(&id).unwrap().mounts;
    let of = |path: &str| mounts.iter().find(|mount| mount.container_path.ends_with(path)).unwrap().clone();
    let data = world.shared.images.image_status("data:1").await.unwrap().unwrap();
    let source = runtime::service::ImageMount { image: data.id, sub_path: "d".to_owned() };
    assert_eq!((of("v").image, of("v").readonly), (Some(source), true));
    assert!(of("w").image.is_some_and(|source| source.sub_path.is_empty()));
    let events = world.events();
    for words in [
        "Normal Pulling pod: Pulling image \"data:1\"",
        "Warning Failed spec.containers{c}: Error: ImagePullBackOff",
        "Normal Pulled pod: Successfully pulled image \"data:1\"",
        "Normal Pulled pod: Container image \"busybox\" already present on machine",
    ] {
        assert!(events.contains(words), "{words}: {events}");
    }
}

#[tokio::test]
async fn a_pod_past_its_deadline_is_ended() {
    let world = World::new();
    let pod = pod_of(json!({"activeDeadlineSeconds": 6, "containers": [container("c")]}));
    world.workers.update(pod.clone());
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    world.advance(6).await;
    world.until("it has failed", |w| w.phase(&pod) == "Failed").await;
    let status = world.shared.statuses.get(&pod::uid(&pod)).unwrap();
    assert_eq!(status.reason.as_deref(), Some("DeadlineExceeded"));
}

#[tokio::test]
async fn containers_of_a_kubelet_before_this_one_are_adopted() {
    let world = World::new();
    let pod = pod_of(json!({"containers": [container("c")]}));
    world.workers.update(pod.clone());
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    let before = world.runtime.calls();
    // another set of workers on the same runtime: what a restart leaves
    let again = crate::pod_workers::PodWorkers::new(world.shared.clone(), |_| {});
    world.shared.observed.forget(&pod::uid(&pod));
    again.update(pod.clone());
    world.until("it was seen", |w| w.shared.observed.get(&pod::uid(&pod)).is_some()).await;
    again.wake_all();
    world.until("it still runs", |w| w.phase(&pod) == "Running").await;
    assert_eq!(world.runtime.calls(), before);
}

fn of_file(uid: &str) -> Arc<Pod> {
    let mut pod = (*pod_of(json!({"containers": [container("c")]}))).clone();
    pod.metadata.uid = Some(uid.to_owned());
    pod.metadata.annotations = Some([("kubernetes.io/config.source".to_owned(), "file".to_owned())].into());
    Arc::new(pod)
}

#[tokio::test]
async fn a_static_pod_whose_file_was_away_for_a_moment_begins_anew() {
    let world = World::new();
    let pod = of_file("u");
    world.workers.update(pod.clone());
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    world.workers.remove(&pod::uid(&pod));
    world.workers.update(pod.clone());
    let starts = |w: &World| w.runtime.calls().iter().filter(|call| matches!(call, Call::StartContainer(_))).count();
    world.until("it runs again", |w| starts(w) == 2 && w.phase(&pod) == "Running").await;
    world.workers.remove(&pod::uid(&pod));
    world.workers.update(pod.clone());
    world.workers.remove(&pod::uid(&pod));
    world.until("it is gone for good", |w| w.workers.all().is_empty()).await;
    assert_eq!(starts(&world), 2);
}

#[tokio::test]
async fn a_static_pod_waits_for_the_one_before_it() {
    let world = World::new();
    world.runtime.script("c", Script::Run { exit_code_on_stop: 0 });
    let (old, new) = (of_file("old"), of_file("new"));
    world.workers.update(old.clone());
    world.until("the first runs", |w| w.phase(&old) == "Running").await;
    world.workers.update(new.clone());
    assert!(world.workers.get(&pod::uid(&new)).is_none(), "not beside the first");
    world.workers.remove(&pod::uid(&old));
    world.until("the second runs", |w| w.phase(&new) == "Running").await;
    assert!(world.workers.get(&pod::uid(&old)).is_none());
    let calls = world.runtime.calls();
    let position = |wanted: &dyn Fn(&Call) -> bool| calls.iter().rposition(wanted);
    let stopped = position(&|c| matches!(c, Call::StopContainer(..)));
    let started = position(&|c| matches!(c, Call::StartContainer(_)));
    assert!(stopped < started, "{calls:?}");
    drop(world.shutdown);
}

fn sized(memory: &str, cpu: &str, generation: i64, policy: &str) -> Arc<Pod> {
    let resources = json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}});
    let mut container = container("c");
    container["resources"] = resources;
    container["resizePolicy"] = json!([
        {"resourceName": "cpu", "restartPolicy": policy}, {"resourceName": "memory", "restartPolicy": "NotRequired"}]);
    let mut pod = (*pod_of(json!({"containers": [container]}))).clone();
    pod.metadata.generation = Some(generation);
    Arc::new(pod)
}

/// `limits.cpu` that the status shows, the conditions of the resize, and the restarts.
fn resized(world: &World, pod: &Pod) -> String {
    let status = world.shared.statuses.get(&pod::uid(pod)).unwrap_or_default();
    let container = status.container_statuses.iter().flatten().next().cloned().unwrap_or_default();
    let cpu = container.resources.and_then(|r| r.limits?.get("cpu").map(|q| q.0.clone())).unwrap_or_default();
    let memory = container.allocated_resources.and_then(|r| r.get("memory").map(|q| q.0.clone())).unwrap_or_default();
    let conditions = status.conditions.iter().flatten().filter(|c| c.type_.starts_with("PodResize"));
    let conditions: Vec<String> =
        conditions.map(|c| format!("{} {}", c.type_, c.reason.clone().unwrap_or_default())).collect();
    format!("cpu {cpu} of {memory} restarts {} {}", container.restart_count, conditions.join(", ")).trim().to_owned()
}

fn node_with(world: &World, cpu: &str) {
    let quantity =
        |text: &str| crate::amount::Milli::of(&k8s_openapi::apimachinery::pkg::api::resource::Quantity(text.into()));
    world.shared.node.write().unwrap().allocatable =
        [("cpu".to_owned(), quantity(cpu)), ("memory".to_owned(), quantity("1Gi")), ("pods".to_owned(), quantity("9"))]
            .into();
    world.shared.retry_resizes();
}

#[tokio::test]
async fn a_pod_is_resized_in_place_once_there_is_room() {
    let world = World::new();
    node_with(&world, "1");
    let pod = sized("64Mi", "100m", 1, "NotRequired");
    world.workers.update(pod.clone());
    world.until("it runs", |w| resized(w, &pod) == "cpu 100m of 64Mi restarts 0").await;
    world.workers.update(sized("64Mi", "200m", 2, "NotRequired"));
    world.until("it is resized", |w| resized(w, &pod) == "cpu 200m of 64Mi restarts 0").await;
    world.workers.update(sized("64Mi", "2", 3, "NotRequired"));
    world.until("it cannot be", |w| resized(w, &pod).ends_with("restarts 0 PodResizePending Infeasible")).await;
    node_with(&world, "4");
    world.until("it is after all", |w| resized(w, &pod) == "cpu 2 of 64Mi restarts 0").await;
    let patches = world.api.patches.lock().unwrap().clone();
    let delete = r#"{"$patch":"delete","type":"PodResizePending"}"#;
    assert!(patches.iter().any(|patch| patch.to_string().contains(delete)), "{patches:#?}");
    assert!(world.events().contains("Warning ResizeInfeasible pod: Pod resize Infeasible: {"), "{}", world.events());
    assert_eq!(world.events().matches("Normal ResizeStarted pod").count(), 2);
    assert_eq!(world.events().matches("Normal ResizeCompleted pod").count(), 2);
    assert!(!world.runtime.calls().iter().any(|call| matches!(call, Call::StopContainer(..))));
}

#[tokio::test]
async fn memory_that_is_used_is_not_taken_until_it_is_free() {
    let world = World::new();
    node_with(&world, "1");
    let pod = sized("64Mi", "100m", 1, "NotRequired");
    world.workers.update(pod.clone());
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    world.runtime.set_stats(runtime::service::ContainerStats { memory_usage_bytes: 40 << 20, ..Default::default() });
    world.workers.update(sized("32Mi", "100m", 2, "NotRequired"));
    world.until("it is refused", |w| resized(w, &pod) == "cpu 100m of 32Mi restarts 0 PodResizeInProgress Error").await;
    assert!(world.events().contains("Warning ResizeError pod: Pod resize error: {"), "{}", world.events());
    world.runtime.set_stats(runtime::service::ContainerStats::default());
    world.advance(10).await;
    world.until("it is done", |w| resized(w, &pod) == "cpu 100m of 32Mi restarts 0").await;
}

#[tokio::test]
async fn a_container_that_asks_for_it_is_started_anew() {
    let world = World::new();
    node_with(&world, "1");
    world.runtime.script("c", Script::Run { exit_code_on_stop: 0 });
    let pod = sized("64Mi", "100m", 1, "RestartContainer");
    world.workers.update(pod.clone());
    world.until("it runs", |w| w.phase(&pod) == "Running").await;
    world.workers.update(sized("64Mi", "200m", 2, "RestartContainer"));
    world.until("it runs anew", |w| resized(w, &pod) == "cpu 200m of 64Mi restarts 1").await;
    let killing = "Normal Killing spec.containers{c}: Container c resize requires restart";
    assert!(world.events().contains(killing), "{}", world.events());
    assert!(world.events().contains("ResizeCompleted"), "{}", world.events());
}
