//! NodeName: a pod that names its node goes nowhere else.

use crate::framework::{ClusterEvent, NodeChange, NodeFilter, Rejection};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module's text.
pub struct NodeName;

impl NodeFilter for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let wanted = pod.spec().node_name.as_deref().filter(|name| !name.is_empty());
        let name = node.node.as_ref().and_then(|node| node.metadata.name.as_deref());
        if wanted.is_none() || wanted == name {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) didn't match the requested node name"))
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        matches!(event, ClusterEvent::Node(node, NodeChange::ADDED) if self.filter(pod, node).is_ok())
    }
}
