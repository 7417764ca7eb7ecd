//! The extension points that plugins implement, and what they answer with.
//!
//! Two families. A *node* plugin looks at one node and the pod alone, so its answers are kept per class of pods and only
//! computed again for nodes that changed. A *cross-node* plugin looks at pods on other nodes too, through tallies: sums
//! over the nodes of a zone, a host or any other topology domain, which are kept up to date node by node.

use crate::cache::Cluster;
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use k8s_openapi::api::core::v1::Node;
use std::borrow::Cow;
use std::sync::Arc;

/// The highest score of one plugin (`MaxNodeScore`).
pub const MAX_NODE_SCORE: i64 = 100;

/// Why a node was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Upstream's words; several where several resources lack.
    pub reasons: Vec<Cow<'static, str>>,
    /// `UnschedulableAndUnresolvable`: evicting pods from the node would not help.
    pub unresolvable: bool,
}

impl Rejection {
    /// Could be mended by evicting pods.
    pub fn unschedulable(reason: &'static str) -> Self {
        Self { reasons: vec![reason.into()], unresolvable: false }
    }

    /// Could not.
    pub fn unresolvable(reason: &'static str) -> Self {
        Self { reasons: vec![reason.into()], unresolvable: true }
    }
}

/// What differs between two states of a node, as far as scheduling looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeChange {
    /// `metadata.labels`
    pub labels: bool,
    /// `spec.taints`
    pub taints: bool,
    /// `spec.unschedulable`
    pub unschedulable: bool,
    /// `status.allocatable`
    pub allocatable: bool,
}

impl NodeChange {
    /// A node that was not there before.
    pub const ADDED: Self = Self { labels: true, taints: true, unschedulable: true, allocatable: true };

    /// Compares two states.
    pub fn between(old: &Node, new: &Node) -> Self {
        let (old_spec, new_spec) = (old.spec.as_ref(), new.spec.as_ref());
        let allocatable = |node: &Node| node.status.as_ref().and_then(|s| s.allocatable.clone());
        Self {
            labels: old.metadata.labels != new.metadata.labels,
            taints: old_spec.and_then(|s| s.taints.as_ref()) != new_spec.and_then(|s| s.taints.as_ref()),
            unschedulable: old_spec.and_then(|s| s.unschedulable) != new_spec.and_then(|s| s.unschedulable),
            allocatable: allocatable(old) != allocatable(new),
        }
    }

    /// Whether anything differs.
    pub fn any(self) -> bool {
        self.labels || self.taints || self.unschedulable || self.allocatable
    }
}

/// Something that may let a waiting pod be scheduled.
#[derive(Clone, Copy, Debug)]
pub enum ClusterEvent<'a> {
    /// A node came or changed.
    Node(&'a NodeInfo, NodeChange),
    /// A node went: topology domains may be gone.
    NodeRemoved,
    /// A pod was placed on a node, or a placed one changed its labels.
    PodPlaced(&'a PodInfo),
    /// A placed pod is gone or has ended.
    PodRemoved(&'a PodInfo),
}

/// A filter that needs one node and the pod.
pub trait NodeFilter: Send + Sync {
    /// The plugin's name, as upstream's.
    fn name(&self) -> &'static str;
    /// Whether `pod` may run on `node`.
    ///
    /// # Errors
    /// Why not.
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection>;
    /// Queueing hint: whether `event` may change what this plugin said about `pod`.
    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool;
}

/// A score that needs one node and the pod.
pub trait NodeScore: Send + Sync {
    /// How much it counts beside others.
    fn weight(&self) -> i64;
    /// The raw score; higher is better, unless [`NodeScore::normalize`] turns it round.
    fn score(&self, pod: &PodInfo, node: &NodeInfo, cluster: &Cluster) -> i64;
    /// Brings the scores of all feasible nodes into 0 to [`MAX_NODE_SCORE`].
    fn normalize(&self, _scores: &mut [i64]) {}
}

/// A plugin that looks at more than one node. All that it knows of other nodes are sums over topology domains.
pub trait CrossNode: Send + Sync {
    /// The plugin's name, as upstream's.
    fn name(&self) -> &'static str;
    /// How much its score counts.
    fn weight(&self) -> i64;
    /// What it counts for `pod`. `None`: the pod does not concern it.
    fn prepare(&self, pod: &Arc<PodInfo>, cluster: &Cluster) -> Option<Box<dyn Prepared>>;
    /// Queueing hint, as [`NodeFilter::helped_by`].
    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool;
}

/// A cross-node plugin, prepared for pods of one kind: those for which it counts the same.
pub trait Prepared: Send + Sync + std::fmt::Debug {
    /// Equal for pods for which it counts the same and answers the same.
    fn key(&self) -> String;
    /// The topology keys of its tallies, in order. A tally sums up over each value of its key.
    fn topology_keys(&self) -> Vec<&str>;
    /// What `node` adds to the tally of this number; `None`: the node does not count for it at all.
    fn contribution(&self, tally: usize, node: &NodeInfo) -> Option<i64>;
    /// Whether the pod may run on nodes for which the tallies stand so.
    ///
    /// # Errors
    /// Why not.
    fn filter(&self, tallies: &[Standing]) -> Result<(), Rejection>;
    /// Scores of groups of feasible nodes, normalized; `None` when it has no opinion.
    fn score(&self, groups: &[Group<'_>]) -> Option<Vec<i64>>;
}

/// How a tally stands for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The sum of the node's domain; `None`: the node lacks the topology key.
    pub here: Option<i64>,
    /// The number of the node's domain among those of the key.
    pub domain: usize,
    /// The smallest sum of all domains that count; 0 of none.
    pub min: i64,
    /// How many domains count.
    pub domains: usize,
    /// The sum of all domains.
    pub total: i64,
}

/// Feasible nodes that a plugin cannot tell apart.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// How its tallies stand for each of them.
    pub tallies: &'a [Standing],
    /// How many they are.
    pub nodes: usize,
}

/// Scales scores to 0..=100 by their maximum (`DefaultNormalizeScore`); `reverse` makes the lowest the best.
pub fn normalize_by_max(scores: &mut [i64], reverse: bool) {
    let max = scores.iter().copied().max().unwrap_or(0);
    if max == 0 {
        if reverse {
            scores.fill(MAX_NODE_SCORE);
        }
        return;
    }
    for score in scores {
        *score = MAX_NODE_SCORE * *score / max;
        if reverse {
            *score = MAX_NODE_SCORE - *score;
        }
    }
}
