//! NodeResourcesFit: what the pod requests must be free; the node with the most left over scores best (LeastAllocated).

use crate::cache::Cluster;
use crate::framework::{ClusterEvent, MAX_NODE_SCORE, NodeFilter, NodeScore, Rejection};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use std::borrow::Cow;

/// See the module's text.
pub struct Fit;

impl NodeFilter for Fit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let mut rejection = Rejection { reasons: Vec::new(), unresolvable: false };
        if i64::try_from(node.pods.len()).unwrap_or(i64::MAX) >= node.allowed_pods {
            rejection.reasons.push("Too many pods".into());
        }
        let wanted = &pod.requests;
        let mut check = |reason: Cow<'static, str>, request: i64, allocatable: i64, used: i64| {
            if request > 0 && request > allocatable - used {
                rejection.reasons.push(reason);
                rejection.unresolvable |= request > allocatable;
            }
        };
        let (has, used) = (&node.allocatable, &node.requested);
        check("Insufficient cpu".into(), wanted.milli_cpu, has.milli_cpu, used.milli_cpu);
        check("Insufficient memory".into(), wanted.memory, has.memory, used.memory);
        check(
            "Insufficient ephemeral-storage".into(),
            wanted.ephemeral_storage,
            has.ephemeral_storage,
            used.ephemeral_storage,
        );
        for (name, request) in &wanted.scalars {
            let amount = |map: &std::collections::BTreeMap<String, i64>| map.get(name).copied().unwrap_or(0);
            check(format!("Insufficient {name}").into(), *request, amount(&has.scalars), amount(&used.scalars));
        }
        if rejection.reasons.is_empty() { Ok(()) } else { Err(rejection) }
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        match event {
            // A slot among the allowed pods is freed by any pod.
            ClusterEvent::PodRemoved(_) => true,
            ClusterEvent::Node(node, change) => change.allocatable && self.filter(pod, node).is_ok(),
            ClusterEvent::PodPlaced(_) | ClusterEvent::NodeRemoved => false,
        }
    }
}

impl NodeScore for Fit {
    fn weight(&self) -> i64 {
        1
    }

    fn score(&self, pod: &PodInfo, node: &NodeInfo, _cluster: &Cluster) -> i64 {
        let left = |allocatable: i64, requested: i64| {
            (allocatable > 0).then(|| (allocatable - requested).max(0) * MAX_NODE_SCORE / allocatable)
        };
        let cpu = left(node.allocatable.milli_cpu, node.non_zero.milli_cpu + pod.non_zero.milli_cpu);
        let memory = left(node.allocatable.memory, node.non_zero.memory + pod.non_zero.memory);
        match (cpu, memory) {
            (Some(cpu), Some(memory)) => i64::midpoint(cpu, memory),
            (one, other) => one.or(other).unwrap_or(0),
        }
    }
}
