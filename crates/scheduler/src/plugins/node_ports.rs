//! NodePorts: a host port can be taken once per node.

use crate::framework::{ClusterEvent, NodeChange, NodeFilter, Rejection};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module's text.
pub struct NodePorts;

impl NodeFilter for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if pod.ports.iter().all(|port| node.ports.iter().all(|used| !port.conflicts(used))) {
            return Ok(());
        }
        Err(Rejection::unschedulable("node(s) didn't have free ports for the requested pod ports"))
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::PodRemoved(gone) => pod.ports.iter().any(|port| gone.ports.iter().any(|p| p.conflicts(port))),
            ClusterEvent::Node(node, NodeChange::ADDED) => self.filter(pod, node).is_ok(),
            _ => false,
        }
    }
}
