//! Cases of the node's object.

use super::object::{NodeInput, allocatable, new_node, node_status};
use super::routes::routes;
use super::*;
use k8s_openapi::api::core::v1::NodeStatus;

fn input(network: Result<(), String>, second: i64) -> NodeInput {
    let config = Config { node_name: "n1".to_owned(), ..Config::default() };
    let capacity = Amounts::from([("cpu".to_owned(), Milli(2000)), ("memory".to_owned(), Milli(1_073_741_824_000))]);
    NodeInput {
        facts: NodeFacts {
            addresses: vec!["192.0.2.2".parse().unwrap()],
            allocatable: allocatable(&capacity, &[("cpu".to_owned(), "100m".to_owned())].into()),
            capacity,
            ..NodeFacts::default()
        },
        config,
        system: Default::default(),
        images: Vec::new(),
        network,
        now: jiff::Timestamp::from_second(second).unwrap(),
    }
}

#[test]
fn a_new_node() {
    let node = new_node(&input(Ok(()), 0));
    let labels = node.metadata.labels.unwrap();
    assert_eq!(labels["kubernetes.io/hostname"], "n1");
    let status = node.status.unwrap();
    assert_eq!(status.allocatable.as_ref().unwrap()["cpu"].0, "1900m");
    assert_eq!(status.allocatable.as_ref().unwrap()["memory"].0, "924Mi");
    let ready = status.conditions.unwrap().pop().unwrap();
    assert_eq!(ready.message.as_deref(), Some("kubelet is posting ready status"));
}

#[test]
fn readiness_follows_the_network() {
    let before = node_status(&input(Err("cni plugin not initialized".to_owned()), 1), &NodeStatus::default());
    let condition = |status: &NodeStatus, kind: &str| {
        status.conditions.iter().flatten().find(|c| c.type_ == kind).cloned().unwrap()
    };
    assert!(condition(&before, "Ready").message.unwrap().ends_with("cni plugin not initialized"));
    let after = node_status(&input(Ok(()), 5), &before);
    assert_eq!(condition(&after, "Ready").last_transition_time.unwrap().0.as_second(), 5);
    assert_eq!(condition(&after, "DiskPressure").last_transition_time.unwrap().0.as_second(), 1);
}

#[test]
fn routes_lead_to_all_other_nodes() {
    let node = |name: &str, cidr: &str, ip: &str| -> Arc<Node> {
        Arc::new(
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"podCIDR": cidr},
                "status": {"addresses": [{"type": "InternalIP", "address": ip}]}}))
            .unwrap(),
        )
    };
    let nodes = [node("a", "10.1.0.0/24", "192.0.2.1"), node("me", "10.2.0.0/24", "192.0.2.2")];
    let found = routes(&nodes, "me");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pod_cidr, "10.1.0.0/24");
}
