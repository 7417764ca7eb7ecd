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

use crate::affinity_term::{Term, Wish};
use crate::node::NodeInfo;
use crate::pod::{PodInfo, PodUid};
use client::lean::Pod;
use foldhash::HashMap;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Node, Service};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The label that tells nodes apart; as a topology, every node is a domain of its own.
pub const HOSTNAME: &str = "kubernetes.io/hostname";

/// Changed nodes that are remembered by name. Who has seen less than that looks at all nodes. Eight bytes each.
const MAX_CHANGES: usize = 1 << 16;

/// The cluster as decisions see it.
#[derive(Debug, Default)]
pub struct Cluster {
    /// A node keeps its slot for as long as it or a pod of it is known; free ones are empty, and used again.
    nodes: Vec<NodeInfo>,
    free: Vec<usize>,
    slots: HashMap<String, usize>,
    /// The node of each placed pod.
    places: HashMap<PodUid, Place>,
    /// How many nodes have an image.
    image_nodes: HashMap<String, usize>,
    /// Grows when the spread of images over nodes changes.
    image_epoch: u64,
    /// How many changes there were; the last [`MAX_CHANGES`] are in `changes`.
    generation: u64,
    changes: VecDeque<usize>,
    node_count: usize,
    /// Required anti-affinity of placed pods, and how many have each term.
    refusals: BTreeMap<Term, usize>,
    /// Wishes of placed pods about others.
    wishes: BTreeMap<Wish, usize>,
    /// Services by namespace and name: they select pods for default spreading.
    pub services: BTreeMap<client::ObjectKey, Arc<Service>>,
    /// ReplicaSets by namespace and name, likewise.
    pub replica_sets: BTreeMap<client::ObjectKey, Arc<ReplicaSet>>,
}

#[derive(Debug)]
struct Place {
    node: String,
    assumed: bool,
}

impl Cluster {
    /// All slots; those without a node object are to be passed over.
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

    /// The distinct terms by which placed pods refuse others.
    pub fn refusals(&self) -> impl Iterator<Item = &Term> {
        self.refusals.keys()
    }

    /// The distinct wishes of placed pods about others.
    pub fn wishes(&self) -> impl Iterator<Item = &Wish> {
        self.wishes.keys()
    }

    /// The Services of a namespace.
    pub fn services_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<Service>> {
        let from = client::ObjectKey::namespaced(namespace, "");
        self.services.range(from..).take_while(move |(key, _)| key.namespace == namespace).map(|(_, service)| service)
    }

    /// How many changes there have been.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The slots that changed after `generation`, some more than once; `None`: too long ago, any may have.
    pub fn changed_since(&self, generation: u64) -> Option<impl Iterator<Item = usize>> {
        let missed = usize::try_from(self.generation - generation).ok()?;
        let start = self.changes.len().checked_sub(missed)?;
        Some(self.changes.range(start..).copied())
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
        let Some(place) = self.places.get_mut(&pod.uid) else {
            self.place(pod, node, false);
            return false;
        };
        // What was assumed has come true, as nearly always: no decision needs to look at the node again.
        let slot = self.slots.get(node).filter(|_| place.node == node);
        if let Some(known) = slot.and_then(|slot| self.nodes[*slot].pods.get_mut(&pod.uid))
            && known.weighs_the_same(&pod)
        {
            place.assumed = false;
            *known = pod;
        } else {
            self.place(pod, node, false);
        }
        true
    }

    /// Takes a newer state of a placed pod that is the same to the scheduler, so that the older one is not kept for it.
    pub fn renew_pod(&mut self, uid: &str, pod: &Arc<Pod>) {
        let Some(slot) = self.places.get(uid).and_then(|place| self.slots.get(&place.node)) else { return };
        // Shared only while someone looks at it: then the older state stays until the next one.
        if let Some(known) = self.nodes[*slot].pods.get_mut(uid).and_then(Arc::get_mut) {
            known.pod = pod.clone();
        }
    }

    /// The same for a node.
    pub fn renew_node(&mut self, name: &str, node: Arc<Node>) {
        if let Some(known) = self.slots.get(name).and_then(|slot| self.nodes[*slot].node.as_mut()) {
            *known = node;
        }
    }

    /// A placed pod is gone, has ended, or could not be bound.
    pub fn remove_pod(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let place = self.places.remove(uid)?;
        let slot = *self.slots.get(&place.node)?;
        let pod = self.nodes[slot].remove_pod(uid)?;
        self.forget_terms(&pod);
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
        pod.terms.refusals.iter().for_each(|term| *self.refusals.entry(term.clone()).or_default() += 1);
        pod.terms.wishes.iter().for_each(|wish| *self.wishes.entry(wish.clone()).or_default() += 1);
        self.nodes[slot].add_pod(pod);
        self.touch(slot);
    }

    fn slot(&mut self, name: &str) -> usize {
        if let Some(&slot) = self.slots.get(name) {
            return slot;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(NodeInfo::empty());
            self.nodes.len() - 1
        });
        self.slots.insert(name.to_owned(), slot);
        slot
    }

    fn touch(&mut self, slot: usize) {
        self.generation += 1;
        self.nodes[slot].generation = self.generation;
        if self.changes.len() >= MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(slot);
    }

    fn forget_terms(&mut self, pod: &PodInfo) {
        pod.terms.refusals.iter().for_each(|term| decrement(&mut self.refusals, term));
        pod.terms.wishes.iter().for_each(|wish| decrement(&mut self.wishes, wish));
    }

    fn drop_if_empty(&mut self, name: &str) {
        let Some(&slot) = self.slots.get(name) else { return };
        if self.nodes[slot].node.is_some() || !self.nodes[slot].pods.is_empty() {
            return;
        }
        self.slots.remove(name);
        self.nodes[slot] = NodeInfo::empty();
        self.free.push(slot);
        self.touch(slot);
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

/// Takes one away; the last one with its key.
fn decrement<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
