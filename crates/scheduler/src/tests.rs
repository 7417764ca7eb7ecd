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

/// A pod out of a few numbers: any of the constraints that look at one node or at several.
fn arbitrary_pod(number: usize, which: u8, size: u16, more: u16) -> Arc<PodInfo> {
    let group = format!("g{}", more % 3);
    let mut value = requests(&format!("{}m", u32::from(size) * 20), "64Mi");
    value["metadata"]["labels"] = json!({"app": group});
    let key = if more.is_multiple_of(2) { "zone" } else { "kubernetes.io/hostname" };
    let selector = json!({"matchLabels": {"app": format!("g{}", more / 3 % 3)}});
    let term = json!({"topologyKey": key, "labelSelector": selector});
    let weighted = json!({"weight": 1 + size % 50, "podAffinityTerm": term});
    let spec = &mut value["spec"];
    match which {
        0 => spec["nodeSelector"] = json!({"zone": "z1"}),
        1 | 2 => {
            let how = if which == 1 { "DoNotSchedule" } else { "ScheduleAnyway" };
            let policy = if size.is_multiple_of(2) { "Honor" } else { "Ignore" };
            spec["topologySpreadConstraints"] = json!([{"maxSkew": 1 + more % 2, "topologyKey": key,
                "whenUnsatisfiable": how, "labelSelector": selector, "nodeTaintsPolicy": policy}]);
        }
        3 => spec["affinity"] = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}),
        4 => spec["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}),
        5 => spec["affinity"] = json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}}),
        6 => {
            spec["affinity"] =
                json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}})
        }
        7 => spec["tolerations"] = json!([{"key": "k", "operator": "Exists"}]),
        8 => {
            spec["affinity"] = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1 + size % 9, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z0"]}]}}]}});
        }
        _ => {}
    }
    pod(&format!("p{number}"), value)
}

fn arbitrary_node(which: u8, size: u16, more: u16) -> Arc<Node> {
    let effect = ["PreferNoSchedule", "NoSchedule"][usize::from(more % 2)];
    let taints = if which >= 4 { json!([{"key": "k", "effect": effect}]) } else { json!([]) };
    let mut value = json!({"spec": {"taints": taints}, "status": {"allocatable": {"cpu": format!("{}", size / 8 + 1)},
        "images": [{"names": ["nginx:latest"], "sizeBytes": u64::from(size) * 30_000_000}]}});
    if !more.is_multiple_of(5) {
        value["metadata"]["labels"]["zone"] = format!("z{}", more % 3).into();
    }
    node(&format!("n{which}"), value)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    /// The choice is one of those that a scheduler makes which asks every node anew; and where there is none, the reasons
    /// are the same.
    #[test]
    fn decisions_are_those_of_the_naive_scheduler(
        steps in proptest::collection::vec((0_u8..8, 0_u8..11, 1_u16..40, 0_u16..30), 1..80)
    ) {
        let mut cluster = Cluster::default();
        let mut decider = Decider::default();
        let mut rng = SmallRng::seed_from_u64(1);
        let mut placed: Vec<(Arc<PodInfo>, String)> = Vec::new();
        for (number, (action, which, size, more)) in steps.into_iter().enumerate() {
            match action {
                0 | 1 => cluster.set_node(arbitrary_node(which % 6, size, more)),
                2 if size < 10 => cluster.remove_node(&format!("n{}", which % 6)),
                3 if !placed.is_empty() => {
                    let (pod, _) = placed.swap_remove(usize::from(size) % placed.len());
                    cluster.remove_pod(&pod.uid);
                }
                4 if !placed.is_empty() => {
                    let (pod, node) = &placed[usize::from(size) % placed.len()];
                    cluster.confirm(pod.clone(), node);
                }
                5 if more < 6 => {
                    let service = json!({"metadata": {"name": "s", "namespace": "default"},
                        "spec": {"selector": {"app": format!("g{}", more % 3)}}});
                    let key = client::ObjectKey::namespaced("default", "s");
                    cluster.services.insert(key, Arc::new(serde_json::from_value(service).unwrap()));
                }
                _ => {
                    let pod = arbitrary_pod(number, which, size, more);
                    let choice = decider.decide(&pod, &cluster, &mut rng);
                    match (&choice, crate::reference::candidates(&pod, &cluster)) {
                        (Ok(node), Ok(candidates)) => proptest::prop_assert!(candidates.contains(node), "{node} of {candidates:?}"),
                        (Err(error), Err(expected)) => proptest::prop_assert_eq!(error, &expected),
                        (choice, expected) => proptest::prop_assert!(false, "{choice:?} instead of {expected:?}"),
                    }
                    if let Ok(node) = choice {
                        placed.push((pod.clone(), node.clone()));
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
fn equals_are_chosen_by_chance() {
    let mut cluster = Cluster::default();
    (0..4).for_each(|n| cluster.set_node(node(&format!("n{n}"), json!({}))));
    let mut decider = Decider::default();
    let mut rng = SmallRng::seed_from_u64(3);
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..40 {
        let pod = pod(&format!("p{n}"), json!({}));
        let chosen = decider.decide(&pod, &cluster, &mut rng).unwrap();
        cluster.assume(pod.clone(), &chosen);
        cluster.remove_pod(&pod.uid);
        seen.insert(chosen);
    }
    assert_eq!(seen.len(), 4);
}
