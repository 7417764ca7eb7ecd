//! What the scheduler knows of the cluster: nodes with their pods, and the pods that it placed but has not seen placed.
//!
//! A placed pod is in one of two states:
//!
//! ```text
//!             assume                 seen with nodeName
//!   (none) ----------> Assumed ---------------------------> Confirmed
//!             forget /    \ deleted                    deleted / \ seen with nodeName (again)
//!             (none) <----+----------------------------------+     Confirmed
//! ```
//!
//! One task owns it and decides synchronously, so that it is its own consistent snapshot: nothing is copied.

use crate::node::NodeInfo;
use crate::pod::{PodInfo, PodUid};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Node, Service};
use std::collections::HashMap;
use std::sync::Arc;

/// The cluster as decisions see it.
#[derive(Debug, Default)]
pub struct Cluster {
    nodes: Vec<NodeInfo>,
    slots: HashMap<String, usize>,
    /// The node of each placed pod.
    places: HashMap<PodUid, Place>,
    /// How many nodes have an image.
    image_nodes: HashMap<String, usize>,
    /// Grows when the spread of images over nodes changes.
    image_epoch: u64,
    generation: u64,
    node_count: usize,
    /// Placed pods with required anti-affinity: only while there are some must others be checked against them.
    anti_affinity_pods: usize,
    /// Services by namespace and name: they select pods for default spreading.
    pub services: HashMap<client::ObjectKey, Arc<Service>>,
    /// ReplicaSets by namespace and name, likewise.
    pub replica_sets: HashMap<client::ObjectKey, Arc<ReplicaSet>>,
}

#[derive(Debug)]
struct Place {
    node: String,
    assumed: bool,
}

impl Cluster {
    /// All nodes that exist. The position of a node may change when one is removed.
    pub fn slots(&self) -> &[NodeInfo] {
        &self.nodes
    }

    /// Nodes that exist, in slot order.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes.iter().filter(|node| node.node.is_some())
    }

    /// How many nodes exist.
    pub fn node_count(&self) -> usize {
        self.node_count
    }

    /// One node.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        self.slots.get(name).and_then(|slot| self.nodes.get(*slot))
    }

    /// How many nodes have `image`.
    pub fn nodes_with_image(&self, image: &str) -> usize {
        self.image_nodes.get(image).copied().unwrap_or(0)
    }

    /// Changes whenever [`Cluster::nodes_with_image`] may answer otherwise than before.
    pub fn image_epoch(&self) -> u64 {
        self.image_epoch
    }

    /// Whether any placed pod refuses others by required anti-affinity.
    pub fn has_anti_affinity(&self) -> bool {
        self.anti_affinity_pods > 0
    }

    /// A node came or changed.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let name = node.metadata.name.clone().unwrap_or_default();
        let slot = self.slot(&name);
        let new = self.nodes[slot].node.is_none();
        let before = self.nodes[slot].images.keys().cloned().collect();
        if self.nodes[slot].set_node(node) {
            self.recount_images(before, slot);
        }
        if new {
            self.node_count += 1;
            self.image_epoch += 1; // shares of nodes change with their number
        }
        self.touch(slot);
    }

    /// A node is gone. Its pods are remembered until they are gone too.
    pub fn remove_node(&mut self, name: &str) {
        let Some(&slot) = self.slots.get(name) else { return };
        if self.nodes[slot].node.take().is_some() {
            self.node_count -= 1;
            let before = std::mem::take(&mut self.nodes[slot].images).into_keys().collect();
            self.recount_images(before, slot);
            self.image_epoch += 1;
        }
        self.touch(slot);
        self.drop_if_empty(name);
    }

    /// The scheduler has decided: counts the pod on the node before the API knows.
    pub fn assume(&mut self, pod: Arc<PodInfo>, node: &str) {
        self.place(pod, node, true);
    }

    /// A pod was seen on a node. Returns whether it was known there before.
    pub fn confirm(&mut self, pod: Arc<PodInfo>, node: &str) -> bool {
        let known = self.places.contains_key(&pod.uid);
        self.place(pod, node, false);
        known
    }

    /// A placed pod is gone, has ended, or could not be bound.
    pub fn remove_pod(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let place = self.places.remove(uid)?;
        let slot = *self.slots.get(&place.node)?;
        let pod = self.nodes[slot].remove_pod(uid)?;
        self.anti_affinity_pods -= usize::from(refuses_others(&pod));
        self.touch(slot);
        self.drop_if_empty(&place.node);
        Some(pod)
    }

    /// Whether the pod was placed by this scheduler and not yet seen placed.
    pub fn is_assumed(&self, uid: &str) -> bool {
        self.places.get(uid).is_some_and(|place| place.assumed)
    }

    /// Whether the pod counts on some node.
    pub fn is_placed(&self, uid: &str) -> bool {
        self.places.contains_key(uid)
    }

    fn place(&mut self, pod: Arc<PodInfo>, node: &str, assumed: bool) {
        self.remove_pod(&pod.uid);
        self.places.insert(pod.uid.clone(), Place { node: node.to_owned(), assumed });
        let slot = self.slot(node);
        self.anti_affinity_pods += usize::from(refuses_others(&pod));
        self.nodes[slot].add_pod(pod);
        self.touch(slot);
    }

    fn slot(&mut self, name: &str) -> usize {
        if let Some(&slot) = self.slots.get(name) {
            return slot;
        }
        self.nodes.push(NodeInfo::empty());
        self.slots.insert(name.to_owned(), self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn touch(&mut self, slot: usize) {
        self.generation += 1;
        self.nodes[slot].generation = self.generation;
    }

    fn drop_if_empty(&mut self, name: &str) {
        let Some(&slot) = self.slots.get(name) else { return };
        if self.nodes[slot].node.is_some() || !self.nodes[slot].pods.is_empty() {
            return;
        }
        self.slots.remove(name);
        self.nodes.swap_remove(slot);
        let moved_from = self.nodes.len();
        if let Some(moved) = self.slots.values_mut().find(|s| **s == moved_from) {
            *moved = slot;
        }
    }

    fn recount_images(&mut self, before: Vec<String>, slot: usize) {
        for image in before {
            if let Some(count) = self.image_nodes.get_mut(&image) {
                *count -= 1;
                if *count == 0 {
                    self.image_nodes.remove(&image);
                }
            }
        }
        for image in self.nodes[slot].images.keys() {
            *self.image_nodes.entry(image.clone()).or_default() += 1;
        }
        self.image_epoch += 1;
    }
}

fn refuses_others(pod: &PodInfo) -> bool {
    let terms = pod.affinity().and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    let required = terms.and_then(|terms| terms.required_during_scheduling_ignored_during_execution.as_ref());
    required.is_some_and(|required| !required.is_empty())
}
