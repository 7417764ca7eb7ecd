//! The scheduler's decisions in process, without the API: 5,000 nodes in ten zones, every seventh with a taint; 10,000 pods
//! of each kind.

use clock::SharedClock;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use scheduler::{Cluster, Decider, PodInfo};
use serde_json::{Value, json};
use std::sync::Arc;

const NODES: usize = 5000;
const PODS: usize = 10_000;

fn cluster() -> Cluster {
    let mut cluster = Cluster::default();
    for n in 0..NODES {
        let taints = if n % 7 == 0 { json!([{"key": "dedicated", "effect": "NoSchedule"}]) } else { json!([]) };
        let node = json!({
            "metadata": {"name": format!("n{n}"), "labels": {"kubernetes.io/hostname": format!("n{n}"),
                "topology.kubernetes.io/zone": format!("z{}", n % 10)}},
            "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": "32", "memory": "256Gi", "pods": "110"}},
        });
        cluster.set_node(Arc::new(serde_json::from_value(node).expect("a node")));
    }
    cluster
}

fn pod(number: usize, more: &dyn Fn(usize, &mut Value)) -> Arc<PodInfo> {
    let mut pod = json!({
        "metadata": {"name": format!("p{number}"), "namespace": "default", "uid": format!("p{number}"), "labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}]},
    });
    more(number, &mut pod);
    Arc::new(PodInfo::new(Arc::new(serde_json::from_value(pod).expect("a pod"))))
}

/// Decisions a second; every pod must find a node.
fn rate(clock: &SharedClock, more: &dyn Fn(usize, &mut Value)) -> f64 {
    let (mut cluster, mut decider, mut rng) = (cluster(), Decider::default(), SmallRng::seed_from_u64(1));
    let pods: Vec<Arc<PodInfo>> = (0..PODS).map(|number| pod(number, more)).collect();
    let started = clock.monotonic();
    for pod in pods {
        let node = decider.decide(&pod, &cluster, &mut rng).expect("room for all");
        cluster.assume(pod, &node);
    }
    let seconds = clock.monotonic().saturating_sub(started).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a number of pods")]
    let pods = PODS as f64;
    pods / seconds
}

/// Decisions a second for pods of several kinds.
pub fn run(clock: &SharedClock) -> Value {
    let zone = "topology.kubernetes.io/zone";
    let host = "kubernetes.io/hostname";
    let app = json!({"matchLabels": {"app": "a"}});
    let affinity = |_: usize, pod: &mut Value| {
        pod["spec"]["tolerations"] = json!([{"key": "dedicated", "operator": "Exists"}]);
        pod["spec"]["affinity"] = json!({
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": zone, "operator": "NotIn", "values": ["z3"]}]}]}},
            "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 10, "podAffinityTerm": {"topologyKey": zone, "labelSelector": app}}]},
        });
    };
    let spread = |_: usize, pod: &mut Value| {
        pod["spec"]["topologySpreadConstraints"] = json!([
            {"maxSkew": 1, "topologyKey": zone, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": app},
            {"maxSkew": 1, "topologyKey": host, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": app}]);
    };
    // a thousand pods of each group, no two on a host
    let anti_affinity = |number: usize, pod: &mut Value| {
        let group = format!("g{}", number / 1000);
        pod["metadata"]["labels"]["group"] = group.as_str().into();
        pod["spec"]["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": host, "labelSelector": {"matchLabels": {"group": group}}}]}});
    };
    let classes = |number: usize, pod: &mut Value| {
        let cpu = format!("{}m", 100 + number % 50);
        pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = cpu.into();
    };
    json!({"plain": rate(clock, &|_, _| {}), "affinity": rate(clock, &affinity), "spread": rate(clock, &spread),
        "anti_affinity": rate(clock, &anti_affinity), "classes": rate(clock, &classes)})
}
