//! Grants: what fits, who comes first.

use super::*;
use crate::worker::Inbox;
use serde_json::json;

fn pod(name: &str, cpu: &str, memory: &str, priority: i32, generation: i64) -> Arc<Pod> {
    let resources = json!({"requests": {"cpu": cpu, "memory": memory}});
    let spec = json!({"priority": priority, "containers": [{"name": "c", "resources": resources}]});
    let metadata = json!({"name": name, "uid": name, "generation": generation});
    Arc::new(serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap())
}

fn node() -> Amounts {
    let amount = |text: &str| Milli::of(&Quantity(text.to_owned()));
    Amounts::from([("cpu".to_owned(), amount("1")), ("memory".to_owned(), amount("1Gi"))])
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

struct Node(AllocationManager);

impl Node {
    fn with(pods: &[&Arc<Pod>]) -> Self {
        let manager = AllocationManager::default();
        for pod in pods {
            manager.insert(pod, Arc::new(Inbox::new((*pod).clone())));
        }
        Self(manager)
    }

    /// The cpu that the pod has after asking, and why it is not what it asks for.
    fn ask(&self, pod: &Arc<Pod>, second: i64) -> String {
        let view = self.0.request(pod, &node(), at(second));
        let cpu = resources::effective_requests(&view.pod)["cpu"].0;
        let pending = view.pending.map(|p| format!(" {}: {}", p.reason.as_str(), p.message)).unwrap_or_default();
        format!("{cpu}m{pending}")
    }
}

#[test]
fn what_fits_is_granted_and_the_rest_waits_or_never_will() {
    let (a, b) = (pod("a", "100m", "64Mi", 0, 1), pod("b", "500m", "64Mi", 0, 1));
    let node = Node::with(&[&a, &b]);
    assert_eq!(node.ask(&pod("a", "500m", "64Mi", 0, 2), 0), "500m");
    assert_eq!(
        node.ask(&pod("a", "600m", "64Mi", 0, 3), 1),
        "500m Deferred: Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000"
    );
    assert_eq!(
        node.ask(&pod("a", "2", "64Mi", 0, 4), 2),
        "500m Infeasible: Node didn't have enough capacity: cpu, requested: 2000, capacity: 1000"
    );
    assert_eq!(
        node.ask(&pod("a", "2", "2Gi", 0, 5), 3),
        "500m Infeasible: Node didn't have enough capacity: memory, requested: 2147483648, capacity: 1073741824"
    );
    // asked back: nothing is pending
    assert_eq!(node.ask(&pod("a", "0.5", "64Mi", 0, 6), 4), "500m");
}

#[test]
fn room_goes_to_the_higher_priority_first_and_then_to_the_longest_wait() {
    let pods = [pod("a", "100m", "1Mi", 0, 1), pod("b", "100m", "1Mi", 0, 1), pod("c", "100m", "1Mi", 9, 1)];
    let full = pod("full", "700m", "1Mi", 0, 1);
    let node = Node::with(&[&pods[0], &pods[1], &pods[2], &full]);
    let wanted = [pod("a", "400m", "1Mi", 0, 2), pod("b", "400m", "1Mi", 0, 2), pod("c", "400m", "1Mi", 9, 2)];
    // the longest wait is b's
    for (second, index) in [1, 0, 2].into_iter().enumerate() {
        assert!(node.ask(&wanted[index], i64::try_from(second).unwrap()).starts_with("100m Deferred"));
    }
    node.0.over(&pod::uid(&full));
    node.0.retry(&self::node(), at(9));
    let granted: Vec<String> = wanted.iter().map(|pod| node.ask(pod, 10)).collect();
    assert_eq!(
        granted,
        [
            "100m Deferred: Node didn't have enough resource: cpu, requested: 400, used: 800, capacity: 1000",
            "400m",
            "400m"
        ]
    );
}

#[test]
fn a_smaller_wish_makes_room_for_a_larger_one() {
    let (a, b) = (pod("a", "700m", "1Mi", 0, 1), pod("b", "300m", "1Mi", 0, 1));
    let node = Node::with(&[&a, &b]);
    let more = pod("b", "500m", "1Mi", 0, 2);
    assert!(node.ask(&more, 0).contains("Deferred"));
    assert_eq!(node.ask(&pod("a", "100m", "1Mi", 0, 2), 1), "100m");
    assert_eq!(node.ask(&more, 2), "500m");
    assert_eq!(node.0.request(&more, &self::node(), at(3)).granted, Some(2));
}

#[test]
fn what_an_earlier_kubelet_applied_counts_until_more_is_granted() {
    let (a, b) = (pod("a", "900m", "1Mi", 0, 2), pod("b", "500m", "1Mi", 0, 1));
    let node = Node::with(&[&a, &b]);
    node.0.adopt(&pod::uid(&a), Allocation::of(&pod("a", "100m", "1Mi", 0, 1)));
    assert!(node.ask(&a, 0).starts_with("100m Deferred"));
    node.0.remove(&pod::uid(&b));
    assert_eq!(node.ask(&a, 1), "900m");
}
