//! Taking the API's changes into queue and cluster: what became of a pod or a node, as far as scheduling is concerned.

use crate::cache::Cluster;
use crate::framework::{ClusterEvent, NodeChange};
use crate::pod::PodInfo;
use crate::queue::SchedulingQueue;
use client::Change;
use client::lean::Pod;
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;
use std::time::Duration;

/// Queue and cluster together, moved by changes from the API.
#[derive(Debug, Default)]
pub struct View {
    /// Pods that wait.
    pub queue: SchedulingQueue,
    /// Nodes and the pods on them.
    pub cluster: Cluster,
}

/// What a pod is to the scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role<'a> {
    /// Wants a node from this scheduler.
    Pending,
    /// Uses resources of this node.
    Placed(&'a str),
    /// Ended, being deleted before it got a node, or somebody else's.
    None,
}

fn role<'a>(pod: &'a Pod, scheduler_name: &str) -> Role<'a> {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let Some(spec) = &pod.spec else { return Role::None };
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return Role::None;
    }
    if let Some(node) = spec.node_name.as_deref().filter(|node| !node.is_empty()) {
        return Role::Placed(node);
    }
    let ours = spec.scheduler_name.as_deref().unwrap_or("default-scheduler") == scheduler_name;
    if ours && pod.metadata.deletion_timestamp.is_none() { Role::Pending } else { Role::None }
}

impl View {
    /// A pod changed.
    pub fn on_pod(&mut self, change: Change<Pod>, scheduler_name: &str, now: Duration) {
        let uid = |pod: &Arc<Pod>| pod.metadata.uid.clone().unwrap_or_default();
        let (old, new) = (change.old, change.new);
        if let Some(old) = old.as_ref().filter(|old| new.as_ref().map(uid) != Some(uid(old))) {
            self.forget(&uid(old), now);
        }
        let Some(new) = new else { return };
        let old = old.filter(|old| uid(old) == uid(&new));
        match role(&new, scheduler_name) {
            Role::None => self.forget(&uid(&new), now),
            Role::Pending => {
                if !self.cluster.is_placed(&uid(&new)) {
                    self.queue.add_or_update(Arc::new(PodInfo::new(new)), now);
                }
            }
            Role::Placed(node) => {
                let before = old.as_ref().map(|old| role(old, scheduler_name));
                let was_placed = matches!(before, Some(Role::Placed(_)));
                if was_placed && old.as_ref().is_some_and(|old| looks_the_same(old, &new)) {
                    self.cluster.renew_pod(&uid(&new), &new);
                    return;
                }
                let node = node.to_owned();
                let pod = Arc::new(PodInfo::placed(new));
                self.queue.remove(&pod.uid);
                self.cluster.confirm(pod.clone(), &node);
                self.queue.on_event(&ClusterEvent::PodPlaced(&pod), now);
            }
        }
    }

    /// A node changed.
    pub fn on_node(&mut self, change: Change<Node>, now: Duration) {
        let Some(new) = change.new else {
            self.cluster.remove_node(&change.key.name);
            self.queue.on_event(&ClusterEvent::NodeRemoved, now);
            return;
        };
        let difference = change.old.as_ref().map_or(NodeChange::ADDED, |old| NodeChange::between(old, &new));
        let images = |node: &Node| node.status.as_ref().and_then(|status| status.images.clone());
        if !difference.any() && change.old.as_ref().is_some_and(|old| images(old) == images(&new)) {
            self.cluster.renew_node(&change.key.name, new); // a heartbeat
            return;
        }
        self.cluster.set_node(new);
        if let Some(node) = self.cluster.node(&change.key.name).filter(|_| difference.any()) {
            self.queue.on_event(&ClusterEvent::Node(node, difference), now);
        }
    }

    /// The pod is no concern any more: frees what it held.
    pub fn forget(&mut self, uid: &str, now: Duration) {
        self.queue.remove(uid);
        self.release(uid, now);
    }

    /// Frees what the pod held on a node, if anything, and wakes who waited for it.
    pub fn release(&mut self, uid: &str, now: Duration) {
        if let Some(pod) = self.cluster.remove_pod(uid) {
            self.queue.on_event(&ClusterEvent::PodRemoved(&pod), now);
        }
    }
}

/// Whether two states of a placed pod are the same to the scheduler: statuses change far more often than the rest.
fn looks_the_same(old: &Pod, new: &Pod) -> bool {
    old.spec == new.spec
        && old.metadata.labels == new.metadata.labels
        && old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{node, pod};
    use serde_json::json;

    #[test]
    fn states_that_are_over_are_not_kept() {
        let mut view = View::default();
        let mut tell_pod = |old: Option<&Arc<Pod>>, new: &Arc<Pod>| {
            let change = Change { key: client::ObjectKey::of(&**new), old: old.cloned(), new: Some(new.clone()) };
            view.on_pod(change, "default-scheduler", Duration::ZERO);
        };
        let pod = |phase: &str| pod("p", json!({"spec": {"nodeName": "n"}, "status": {"phase": phase}})).pod.clone();
        let (pending, running) = (pod("Pending"), pod("Running"));
        tell_pod(None, &pending);
        tell_pod(Some(&pending), &running);
        assert_eq!((Arc::strong_count(&pending), Arc::strong_count(&running)), (1, 2));
        let beat =
            |time: &str| node("n", json!({"status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": time}]}}));
        let (before, after) = (beat("2026-01-01T00:00:00Z"), beat("2026-01-01T00:00:10Z"));
        for (old, new) in [(None, &before), (Some(&before), &after)] {
            let change = Change { key: client::ObjectKey::of(&**new), old: old.cloned(), new: Some(new.clone()) };
            view.on_node(change, Duration::ZERO);
        }
        assert_eq!((Arc::strong_count(&before), Arc::strong_count(&after)), (1, 2));
    }
}
