//! The default plugins, one file each, in upstream's order, with upstream's weights.

mod image_locality;
mod inter_pod_affinity;
pub mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_balanced_allocation;
mod node_resources_fit;
mod node_unschedulable;
mod pod_topology_spread;
pub(crate) mod spread_constraint;
mod taint_toleration;

use crate::framework::{CrossNode, NodeFilter, NodeScore};

/// Filters that look at one node, in the order in which they are asked; the first refusal counts.
pub const NODE_FILTERS: &[&dyn NodeFilter] = &[
    &node_unschedulable::NodeUnschedulable,
    &node_name::NodeName,
    &taint_toleration::TaintToleration,
    &node_affinity::NodeAffinity,
    &node_ports::NodePorts,
    &node_resources_fit::Fit,
];

/// Scores that count as they are.
pub const PLAIN_SCORES: &[&dyn NodeScore] = &[
    &node_resources_fit::Fit,
    &node_resources_balanced_allocation::BalancedAllocation,
    &image_locality::ImageLocality,
];

/// How many [`NORMALIZED_SCORES`] there are.
pub const NORMALIZED_SCORE_COUNT: usize = 2;

/// Scores that count by how they compare with those of the other feasible nodes.
pub const NORMALIZED_SCORES: [&dyn NodeScore; NORMALIZED_SCORE_COUNT] =
    [&taint_toleration::TaintToleration, &node_affinity::NodeAffinity];

/// Plugins that look at several nodes, asked after the others.
pub const CROSS_NODE: &[&dyn CrossNode] =
    &[&pod_topology_spread::PodTopologySpread, &inter_pod_affinity::InterPodAffinity];

/// Whether `event` may help a pod that `plugin` refused. An unknown plugin is always helped: better once too often.
pub fn helped_by(plugin: &str, pod: &crate::pod::PodInfo, event: &crate::framework::ClusterEvent<'_>) -> bool {
    if let Some(filter) = NODE_FILTERS.iter().find(|filter| filter.name() == plugin) {
        return filter.helped_by(pod, event);
    }
    let cross = CROSS_NODE.iter().find(|cross| cross.name() == plugin);
    cross.is_none_or(|cross| cross.helped_by(pod, event))
}
