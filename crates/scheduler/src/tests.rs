//! Decisions on small clusters, and the class cache against a decider that remembers nothing.

use crate::cache::Cluster;
use crate::decide::Decider;
use crate::pod::PodInfo;
use k8s_openapi::api::core::v1::Node;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A pod whose uid is its name, without requests; `more` is merged in.
pub(crate) fn pod(name: &str, more: Value) -> Arc<PodInfo> {
    let mut value = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"run": name}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
    merge(&mut value, more);
    Arc::new(PodInfo::new(Arc::new(serde_json::from_value(value).unwrap())))
}

/// A node of 4 cores, 8 GiB and 110 pods; `more` is merged in.
pub(crate) fn node(name: &str, more: Value) -> Arc<Node> {
    let mut value = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}});
    merge(&mut value, more);
    Arc::new(serde_json::from_value(value).unwrap())
}

fn requests(cpu: &str, memory: &str) -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}})
}

/// Three nodes as in the tutorial; `more` is merged into the workers.
fn tutorial(more: &Value) -> Cluster {
    let mut cluster = Cluster::default();
    let taint = json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
    cluster.set_node(node("master", json!({"spec": {"taints": taint}})));
    cluster.set_node(node("node1", more.clone()));
    cluster.set_node(node("node2", more.clone()));
    cluster
}

/// Decides about one pod after another, assuming each; prints the nodes, or why there is none.
fn decide_all(cluster: &mut Cluster, pods: impl IntoIterator<Item = Arc<PodInfo>>) -> Vec<String> {
    let mut decider = Decider::default();
    let mut rng = SmallRng::seed_from_u64(7);
    let mut out = Vec::new();
    for pod in pods {
        match decider.decide(&pod, cluster, &mut rng) {
            Ok(node) => {
                cluster.assume(pod, &node);
                out.push(node);
            }
            Err(error) => out.push(error.message(true)),
        }
    }
    out
}

fn counts(nodes: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for node in nodes {
        *counts.entry(node.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn six_plain_pods_go_three_and_three_onto_the_workers() {
    // Large nodes too, where one pod more or less is below one percent.
    for size in [json!({}), json!({"status": {"allocatable": {"cpu": "96", "memory": "1Ti", "pods": "110"}}})] {
        let pods = (1..=6).map(|n| pod(&format!("pod0{n}"), json!({})));
        let nodes = decide_all(&mut tutorial(&size), pods);
        assert_eq!(counts(&nodes), BTreeMap::from([("node1", 3), ("node2", 3)]), "{nodes:?}");
    }
}

#[test]
fn a_node_selector_decides() {
    let mut cluster = tutorial(&json!({}));
    cluster.set_node(node("node2", json!({"metadata": {"labels": {"cloud": "666"}}})));
    let wanted = json!({"spec": {"nodeSelector": {"cloud": "666"}}});
    let nodes = decide_all(&mut cluster, (1..=6).map(|n| pod(&format!("p{n}"), wanted.clone())));
    assert_eq!(counts(&nodes), BTreeMap::from([("node2", 6)]));
}

#[test]
fn refusals_are_told_in_upstreams_words() {
    let check = |more: Value, expect: expect_test::Expect| {
        let mut cluster = tutorial(&json!({}));
        cluster.assume(
            pod(
                "there",
                json!({"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 31999}]}]}}),
            ),
            "node1",
        );
        expect.assert_eq(&decide_all(&mut cluster, [pod("p", more)])[0]);
    };
    check(
        json!({"spec": {"nodeSelector": {"cloud": "666"}}}),
        expect_test::expect![
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        ],
    );
    check(
        requests("9999", "9999Gi"),
        expect_test::expect![
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu, 2 Insufficient memory. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        ],
    );
    check(
        json!({"spec": {"nodeSelector": {"kubernetes.io/hostname": "node1"}, "containers": [{"name": "c", "ports": [{"hostPort": 31999, "containerPort": 1}]}]}}),
        expect_test::expect![
            "0/3 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
        ],
    );
    check(
        json!({"spec": {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}]}}),
        expect_test::expect![
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match pod topology spread constraints (missing required label). no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        ],
    );
}

#[test]
fn no_nodes_at_all() {
    assert_eq!(decide_all(&mut Cluster::default(), [pod("p", json!({}))]), ["no nodes available to schedule pods"]);
}

#[test]
fn anti_affinity_gives_each_pod_its_own_node() {
    let apart = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"affinity": {"podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "a"}}}]}}}});
    let mut cluster = tutorial(&json!({}));
    let nodes = decide_all(&mut cluster, (0..3).map(|n| pod(&format!("p{n}"), apart.clone())));
    assert_eq!(counts(&nodes[..2]), BTreeMap::from([("node1", 1), ("node2", 1)]));
    expect_test::expect!["0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match pod anti-affinity rules. no new claims to deallocate, preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."]
        .assert_eq(&nodes[2]);
}

#[test]
fn hard_spreading_keeps_the_skew() {
    let spread = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"topologySpreadConstraints": [{"maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "a"}},
        "nodeTaintsPolicy": "Honor"}]}});
    let nodes = decide_all(&mut tutorial(&json!({})), (0..8).map(|n| pod(&format!("p{n}"), spread.clone())));
    assert_eq!(counts(&nodes), BTreeMap::from([("node1", 4), ("node2", 4)]));
}

#[test]
fn init_containers_and_sidecars_count_as_they_run() {
    let container = |cpu: &str, always: bool| {
        let mut value = json!({"name": "x", "resources": {"requests": {"cpu": cpu}}});
        if always {
            value["restartPolicy"] = "Always".into();
        }
        value
    };
    let spec = json!({"spec": {"containers": [container("1", false), container("500m", false)],
        "initContainers": [container("3", false), container("200m", true), container("2", false)]}});
    assert_eq!(pod("p", spec).requests.milli_cpu, 3000); // max(1500+200, 3000, 2000+200)
}

proptest::proptest! {
    /// Remembering answers per class changes nothing: the same choices as a decider that is new for each pod.
    #[test]
    fn the_class_cache_is_invisible(steps in proptest::collection::vec((0_u8..6, 0_u8..5, 1_u16..40), 1..60)) {
        let mut cluster = Cluster::default();
        let mut cached = Decider::default();
        let (mut rng, mut naive_rng) = (SmallRng::seed_from_u64(1), SmallRng::seed_from_u64(1));
        let mut placed = Vec::new();
        for (number, (action, which, size)) in steps.into_iter().enumerate() {
            match action {
                0 => {
                    let taints = if which == 4 { json!([{"key": "k", "effect": "PreferNoSchedule"}]) } else { json!([]) };
                    let cpu = format!("{}", size / 8 + 1);
                    let more = json!({"metadata": {"labels": {"zone": format!("z{}", size % 3)}}, "spec": {"taints": taints},
                        "status": {"allocatable": {"cpu": cpu}, "images": [{"names": ["nginx:latest"], "sizeBytes": u64::from(size) * 30_000_000}]}});
                    cluster.set_node(node(&format!("n{which}"), more));
                }
                1 if size < 10 => cluster.remove_node(&format!("n{which}")),
                2 if !placed.is_empty() => {
                    let uid: String = placed.swap_remove(usize::from(size) % placed.len());
                    cluster.remove_pod(&uid);
                }
                _ => {
                    let mut more = requests(&format!("{}m", u32::from(size) * 20), "64Mi");
                    if which == 0 {
                        more["spec"]["nodeSelector"] = json!({"zone": "z1"});
                    }
                    let pod = pod(&format!("p{number}"), more);
                    let choice = cached.decide(&pod, &cluster, &mut rng);
                    let naive = Decider::default().decide(&pod, &cluster, &mut naive_rng);
                    proptest::prop_assert_eq!(&choice, &naive);
                    if let Ok(node) = choice {
                        placed.push(pod.uid.clone());
                        cluster.assume(pod, &node);
                    }
                }
            }
        }
        // Whatever happened, the sums are those of the pods.
        for node in cluster.slots() {
            let cpu: i64 = node.pods.values().map(|pod| pod.requests.milli_cpu).sum();
            proptest::prop_assert_eq!(cpu, node.requested.milli_cpu);
        }
    }
}

#[test]
#[ignore = "a measurement: cargo nextest run -p scheduler --run-ignored all many_pods --no-capture"]
#[expect(clippy::disallowed_methods, reason = "measures")]
fn many_pods_on_many_nodes() {
    let mut cluster = Cluster::default();
    for n in 0..5000 {
        cluster.set_node(node(&format!("n{n}"), json!({})));
    }
    let pods: Vec<_> = (0..10_000).map(|n| pod(&format!("p{n}"), requests("100m", "128Mi"))).collect();
    let start = std::time::Instant::now();
    decide_all(&mut cluster, pods);
    println!("{:.0} decisions per second", 10_000.0 / start.elapsed().as_secs_f64());
}
