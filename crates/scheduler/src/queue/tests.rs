//! The queue by hand-set times.

use super::*;
use crate::framework::NodeChange;
use crate::node::NodeInfo;
use crate::tests::{node, pod};
use serde_json::json;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn pop(queue: &mut SchedulingQueue, now: u64) -> Option<String> {
    queue.pop(seconds(now)).map(|pod| pod.uid.clone())
}

fn labelled(value: &str) -> NodeInfo {
    let mut info = NodeInfo::empty();
    info.set_node(node("n", json!({"metadata": {"labels": {"cloud": value}}})));
    info
}

#[test]
fn priority_first_then_arrival() {
    let mut queue = SchedulingQueue::default();
    queue.add_or_update(pod("a", json!({})), seconds(0));
    queue.add_or_update(pod("b", json!({"spec": {"priority": 7}})), seconds(0));
    queue.add_or_update(pod("c", json!({})), seconds(0));
    assert_eq!([pop(&mut queue, 0), pop(&mut queue, 0), pop(&mut queue, 0)].map(Option::unwrap), ["b", "a", "c"]);
}

#[test]
fn an_event_wakes_whom_it_helps_and_back_off_is_kept() {
    let mut queue = SchedulingQueue::default();
    queue.add_or_update(pod("a", json!({"spec": {"nodeSelector": {"cloud": "666"}}})), seconds(0));
    let labels = NodeChange { labels: true, ..NodeChange::default() };
    assert_eq!(pop(&mut queue, 0).as_deref(), Some("a"));
    queue.unschedulable("a", ["NodeAffinity"].into(), seconds(0));
    assert_eq!(queue.on_event(&ClusterEvent::Node(&labelled("5"), labels), seconds(2)), 0);
    assert_eq!(pop(&mut queue, 2), None);
    assert_eq!(queue.on_event(&ClusterEvent::Node(&labelled("666"), labels), seconds(2)), 1);
    assert_eq!(pop(&mut queue, 2).as_deref(), Some("a"));
    // The second failure in a row waits two seconds, event or not.
    queue.unschedulable("a", ["NodeAffinity"].into(), seconds(2));
    assert_eq!(queue.on_event(&ClusterEvent::Node(&labelled("666"), labels), seconds(3)), 1);
    assert_eq!(pop(&mut queue, 3), None);
    assert_eq!(queue.next_deadline(), Some(seconds(4)));
    assert_eq!(pop(&mut queue, 4).as_deref(), Some("a"));
}

#[test]
fn without_any_event_it_is_tried_again_after_five_minutes() {
    let mut queue = SchedulingQueue::default();
    queue.add_or_update(pod("a", json!({})), seconds(0));
    pop(&mut queue, 0);
    queue.unschedulable("a", ["NodeAffinity"].into(), seconds(0));
    assert_eq!(pop(&mut queue, 299), None);
    assert_eq!(pop(&mut queue, 300).as_deref(), Some("a"));
}

#[test]
fn gates_hold_a_pod_until_they_are_gone() {
    let mut queue = SchedulingQueue::default();
    queue.add_or_update(pod("a", json!({"spec": {"schedulingGates": [{"name": "g"}]}})), seconds(0));
    assert_eq!(pop(&mut queue, 0), None);
    queue.add_or_update(pod("a", json!({})), seconds(1));
    assert_eq!(pop(&mut queue, 1).as_deref(), Some("a"));
}

#[test]
fn a_removed_pod_is_gone_wherever_it_waits() {
    let mut queue = SchedulingQueue::default();
    for name in ["a", "b", "c"] {
        queue.add_or_update(pod(name, json!({})), seconds(0));
    }
    pop(&mut queue, 0);
    queue.unschedulable("a", ["NodeAffinity"].into(), seconds(0));
    pop(&mut queue, 0);
    queue.back_off("b", seconds(0));
    ["a", "b", "c"].iter().for_each(|uid| queue.remove(uid));
    assert_eq!(pop(&mut queue, 1000), None);
    assert_eq!(queue.next_deadline(), None);
}
