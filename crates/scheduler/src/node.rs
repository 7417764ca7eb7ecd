//! A node with the pods that are on it or about to be, and their sums.

use crate::pod::{HostPort, PodInfo, PodUid, normalized_image};
use crate::resources::Resources;
use api::quantity::Quantity;
use foldhash::{HashMap, HashMapExt};
use k8s_openapi::api::core::v1::{Node, Taint};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The state of one node as plugins see it.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The object; `None` while only pods of it are known.
    pub node: Option<Arc<Node>>,
    /// What pods may use.
    pub allocatable: Resources,
    /// How many pods it takes.
    pub allowed_pods: i64,
    /// Sum of its pods' requests.
    pub requested: Resources,
    /// Sum of its pods' requests with defaults.
    pub non_zero: Resources,
    /// Its pods by uid.
    pub pods: HashMap<PodUid, Arc<PodInfo>>,
    /// Host ports in use.
    pub ports: Vec<HostPort>,
    /// Bytes of each image it has, by every name.
    pub images: BTreeMap<String, i64>,
    /// Grows with every change: what was computed for an older one is stale.
    pub generation: u64,
}

impl NodeInfo {
    /// A node of which nothing is known.
    pub fn empty() -> Self {
        Self {
            node: None,
            allocatable: Resources::default(),
            allowed_pods: 0,
            requested: Resources::default(),
            non_zero: Resources::default(),
            pods: HashMap::new(),
            ports: Vec::new(),
            images: BTreeMap::new(),
            generation: 0,
        }
    }

    /// Takes over the object; returns whether the images changed.
    pub fn set_node(&mut self, node: Arc<Node>) -> bool {
        let status = node.status.as_ref();
        let allocatable = status.and_then(|s| s.allocatable.as_ref());
        self.allocatable = Resources::from_map(allocatable);
        let pods = allocatable.and_then(|map| map.get("pods"));
        self.allowed_pods = pods.and_then(|text| Quantity::parse(&text.0).ok()).map_or(0, |q| q.value());
        let mut images = BTreeMap::new();
        for image in status.and_then(|s| s.images.as_ref()).into_iter().flatten() {
            for name in image.names.iter().flatten() {
                images.insert(normalized_image(name), image.size_bytes.unwrap_or(0));
            }
        }
        let changed = images != self.images;
        self.images = images;
        self.node = Some(node);
        changed
    }

    /// Adds a pod. One of the same uid is replaced.
    pub fn add_pod(&mut self, pod: Arc<PodInfo>) {
        self.remove_pod(&pod.uid);
        self.requested.add(&pod.requests);
        self.non_zero.add(&pod.non_zero);
        self.ports.extend(pod.ports.iter().cloned());
        self.pods.insert(pod.uid.clone(), pod);
    }

    /// Takes a pod away.
    pub fn remove_pod(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let pod = self.pods.remove(uid)?;
        self.requested.sub(&pod.requests);
        self.non_zero.sub(&pod.non_zero);
        if !pod.ports.is_empty() {
            self.ports = self.pods.values().flat_map(|pod| pod.ports.iter().cloned()).collect();
        }
        Some(pod)
    }

    /// The node's labels.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.node.as_ref()?.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// `spec.taints`
    pub fn taints(&self) -> &[Taint] {
        let spec = self.node.as_ref().and_then(|node| node.spec.as_ref());
        spec.and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
    }

    /// `spec.unschedulable`
    pub fn is_unschedulable(&self) -> bool {
        let spec = self.node.as_ref().and_then(|node| node.spec.as_ref());
        spec.and_then(|spec| spec.unschedulable).unwrap_or(false)
    }
}
