//! NodeResourcesBalancedAllocation: prefers nodes whose cpu and memory would be used to the same degree.

use crate::cache::Cluster;
use crate::framework::{MAX_NODE_SCORE, NodeScore};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module's text. A pod that requests neither cpu nor memory has no part in this.
pub struct BalancedAllocation;

impl NodeScore for BalancedAllocation {
    fn weight(&self) -> i64 {
        1
    }

    fn score(&self, pod: &PodInfo, node: &NodeInfo, _cluster: &Cluster) -> i64 {
        if pod.requests.milli_cpu == 0 && pod.requests.memory == 0 {
            return 0;
        }
        #[expect(clippy::cast_precision_loss, reason = "shares between 0 and 1 need no more")]
        let share = |requested: i64, allocatable: i64| {
            (allocatable > 0).then(|| (requested as f64 / allocatable as f64).min(1.0))
        };
        let cpu = share(node.requested.milli_cpu + pod.requests.milli_cpu, node.allocatable.milli_cpu);
        let memory = share(node.requested.memory + pod.requests.memory, node.allocatable.memory);
        // The standard deviation of two values is half their distance.
        let deviation = cpu.zip(memory).map_or(0.0, |(cpu, memory)| (cpu - memory).abs() / 2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "between 0 and 100")]
        let score = ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64;
        score
    }
}
