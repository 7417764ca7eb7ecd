//! Pods against labels that the node has by the API server and not yet by its watch.

use super::{Dependencies, Kubelet};
use crate::config::Config;
use crate::paths::Paths;
use crate::testing::model_server::ModelServer;
use crate::testing::{FakeNetwork, turns};
use client::Shutdown;
use clock::ManualClock;
use runtime::fake::FakeRuntime;
use serde_json::{Value, json};
use std::sync::Arc;

const NODE: &str = "n";
/// More than any of these kubelets needs for what it does without waiting.
const ENOUGH_TURNS: usize = 400;
/// Files are read on threads of their own, which may take a while.
const REPORTS_MAX: usize = 50;

struct Host {
    server: Arc<ModelServer>,
    kubelet: Arc<Kubelet>,
    _root: tempfile::TempDir,
}

/// The label that the pods want.
const LABEL: (&str, &str) = ("cloud", "666");

/// A kubelet that has come up beside `server`, with a manifest in its directory.
async fn host(server: Arc<ModelServer>, manifest: Option<Value>) -> Host {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(1_700_000_000).unwrap()));
    let runtime = FakeRuntime::new(clock.clone());
    runtime.add_image("busybox");
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    std::fs::create_dir(path("manifests")).unwrap();
    if let Some(manifest) = manifest {
        std::fs::write(path("manifests").join("pod.json"), manifest.to_string()).unwrap();
    }
    let config = Config {
        node_name: NODE.to_owned(),
        paths: Paths { root: path("root"), pod_logs: path("pods"), container_logs: path("containers") },
        static_pod_path: Some(path("manifests")),
        ..Config::default()
    };
    let dependencies = Dependencies {
        client: Some(server.client()),
        proxy_client: None,
        runtime: Arc::new(runtime.clone()),
        images: Arc::new(runtime),
        network: Arc::new(FakeNetwork),
        clock,
    };
    let shutdown = Shutdown::new();
    let kubelet = Kubelet::new(config, dependencies, &shutdown);
    tokio::spawn(kubelet.clone().run(shutdown));
    turns(ENOUGH_TURNS).await;
    Host { server, kubelet, _root: root }
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": NODE, "nodeSelector": {LABEL.0: LABEL.1},
            "containers": [{"name": "c", "image": "busybox", "imagePullPolicy": "Never"}]}})
}

fn phase(host: &Host) -> String {
    host.server.objects(|objects| {
        let pods = objects.pods();
        let [pod] = pods.as_slice() else { return format!("{} pods", pods.len()) };
        let (phase, reason) = (&pod["status"]["phase"], &pod["status"]["reason"]);
        format!("{} {}", phase.as_str().unwrap_or_default(), reason.as_str().unwrap_or_default())
    })
}

#[tokio::test]
async fn a_label_that_only_the_scheduler_has_seen_is_read_before_a_pod_is_refused() {
    let host = host(ModelServer::new(1), None).await;
    host.server.objects(|objects| objects.pod_is_bound(pod("p")));
    host.server.set_lagging(true);
    host.server.objects(|objects| objects.user_labels_node(NODE, LABEL));
    turns(ENOUGH_TURNS).await;
    assert_eq!(phase(&host), "Running ");
}

#[tokio::test]
async fn a_pod_for_another_label_is_refused() {
    let host = host(ModelServer::new(1), None).await;
    host.server.objects(|objects| objects.pod_is_bound(pod("p")));
    turns(ENOUGH_TURNS).await;
    assert_eq!(phase(&host), "Failed NodeAffinity");
}

/// The watch is behind from the beginning: the kubelet knows no more than its own labels.
#[tokio::test]
async fn a_manifest_may_ask_for_a_label_that_the_node_had_before() {
    let server = ModelServer::new(1);
    server.set_lagging(true);
    server.objects(|objects| objects.user_labels_node(NODE, LABEL));
    let host = host(server, Some(pod("p"))).await;
    for _ in 0..REPORTS_MAX {
        if !host.kubelet.static_pod_names().is_empty() {
            return;
        }
        turns(ENOUGH_TURNS).await;
    }
    panic!("refused: {}", phase(&host));
}
