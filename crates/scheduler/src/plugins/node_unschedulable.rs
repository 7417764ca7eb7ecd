//! NodeUnschedulable: a cordoned node takes only pods that tolerate it.

use crate::framework::{ClusterEvent, NodeFilter, Rejection};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::selector::tolerates;
use k8s_openapi::api::core::v1::Taint;

/// See the module's text.
pub struct NodeUnschedulable;

impl NodeFilter for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if !node.is_unschedulable() {
            return Ok(());
        }
        let taint = Taint {
            key: "node.kubernetes.io/unschedulable".to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        };
        if pod.tolerations().iter().any(|toleration| tolerates(toleration, &taint)) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) were unschedulable"))
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        matches!(event, ClusterEvent::Node(node, change)
            if (change.unschedulable || change.taints) && self.filter(pod, node).is_ok())
    }
}
