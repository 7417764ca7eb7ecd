//! TaintToleration: taints that a pod does not tolerate keep it away (NoSchedule, NoExecute), or off if there is a
//! better node (PreferNoSchedule).

use crate::cache::Cluster;
use crate::framework::{ClusterEvent, NodeFilter, NodeScore, Rejection, normalize_by_max};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::selector::tolerates;

/// See the module's text.
pub struct TaintToleration;

impl NodeFilter for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let mut taints =
            node.taints().iter().filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"));
        if taints.all(|taint| pod.tolerations().iter().any(|toleration| tolerates(toleration, taint))) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) had untolerated taint(s)"))
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        matches!(event, ClusterEvent::Node(node, change) if change.taints && self.filter(pod, node).is_ok())
    }
}

impl NodeScore for TaintToleration {
    fn weight(&self) -> i64 {
        3
    }

    /// The number of untolerated PreferNoSchedule taints: fewer is better.
    fn score(&self, pod: &PodInfo, node: &NodeInfo, _cluster: &Cluster) -> i64 {
        let applies = |effect: Option<&str>| matches!(effect.unwrap_or_default(), "" | "PreferNoSchedule");
        let taints = node.taints().iter().filter(|taint| taint.effect == "PreferNoSchedule");
        let untolerated = taints.filter(|taint| {
            let mut usable = pod.tolerations().iter().filter(|toleration| applies(toleration.effect.as_deref()));
            !usable.any(|toleration| tolerates(toleration, taint))
        });
        i64::try_from(untolerated.count()).unwrap_or(i64::MAX)
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize_by_max(scores, true);
    }
}
