//! NodeAffinity: nodeSelector and required node affinity must match; preferred terms add their weights.

use crate::cache::Cluster;
use crate::framework::{ClusterEvent, NodeFilter, NodeScore, Rejection, normalize_by_max};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::selector::{contains_all, node_selector_matches, term_matches};

/// See the module's text.
pub struct NodeAffinity;

/// Whether `node` meets nodeSelector and required node affinity of `pod`.
pub fn matches(pod: &PodInfo, node: &NodeInfo) -> bool {
    let Some(node) = &node.node else { return false };
    let empty = std::collections::BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&empty);
    if pod.spec().node_selector.as_ref().is_some_and(|selector| !contains_all(labels, selector)) {
        return false;
    }
    let affinity = pod.affinity().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    required.is_none_or(|required| node_selector_matches(required, node))
}

impl NodeFilter for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if matches(pod, node) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) didn't match Pod's node affinity/selector"))
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        matches!(event, ClusterEvent::Node(node, change) if change.labels && matches(pod, node))
    }
}

impl NodeScore for NodeAffinity {
    fn weight(&self) -> i64 {
        2
    }

    fn score(&self, pod: &PodInfo, node: &NodeInfo, _cluster: &Cluster) -> i64 {
        let Some(node) = &node.node else { return 0 };
        let affinity = pod.affinity().and_then(|affinity| affinity.node_affinity.as_ref());
        let preferred = affinity.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_ref());
        let matching = preferred.into_iter().flatten().filter(|term| term_matches(&term.preference, node));
        matching.map(|term| i64::from(term.weight)).sum()
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize_by_max(scores, false);
    }
}
