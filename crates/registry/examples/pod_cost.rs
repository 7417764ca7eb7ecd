//! What a pod create costs in this crate: defaults, preparation and validation, in microseconds per pod.

use serde_json::json;

fn main() {
    let row = registry::find("", "v1", "pods").unwrap_or_else(|| std::process::exit(1));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "serviceAccountName": "default",
            "containers": [{"name": "c", "image": "nginx:1.27", "resources": {"requests": {"cpu": "100m"}},
                "volumeMounts": [{"name": "t", "mountPath": "/t"}], "ports": [{"containerPort": 80}]}],
            "initContainers": [{"name": "i", "image": "busybox", "command": ["true"]}],
            "volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
    });
    const ROUNDS: u32 = 20_000;
    let pods: Vec<_> = (0..ROUNDS).map(|_| pod.clone()).collect();
    let clock = clock::system();
    let start = clock.monotonic();
    let mut wrong = 0;
    for mut pod in pods {
        row.strategy.default(&mut pod);
        row.strategy.default(&mut pod);
        row.strategy.prepare_for_create(&mut pod);
        wrong += row.strategy.validate(&pod).len();
    }
    let each = (clock.monotonic() - start) / ROUNDS;
    println!("{} µs per pod, {wrong} errors", each.as_nanos() as f64 / 1000.0);
}
