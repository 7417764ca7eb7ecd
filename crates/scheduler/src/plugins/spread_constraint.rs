//! Which constraints of topology spread a pod has: its own or, when it belongs to a Service or a ReplicaSet, upstream's defaults
//! (hosts with maxSkew 3 and zones with maxSkew 5, as a wish: ScheduleAnyway).
//!
//! The plugin and the reference scheduler read constraints in the same way; how often they count pods is what they
//! differ in, and nothing of that is here.

use super::node_affinity;
use crate::cache::{Cluster, HOSTNAME};
use crate::framework::MAX_NODE_SCORE;
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::selector::{Labels, contains_all, selects, tolerates};
use k8s_openapi::api::core::v1::TopologySpreadConstraint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// (topology key, maxSkew) of the system's default constraints.
const DEFAULT_CONSTRAINTS: [(&str, i32); 2] = [(HOSTNAME, 3), ("topology.kubernetes.io/zone", 5)];

/// One constraint, with what `matchLabelKeys` adds to its selector.
#[derive(Clone, Debug)]
pub(crate) struct Constraint {
    pub(crate) key: String,
    pub(crate) max_skew: i64,
    pub(crate) min_domains: i64,
    pub(crate) hard: bool,
    pub(crate) honor_affinity: bool,
    pub(crate) honor_taints: bool,
    pub(crate) selectors: Vec<LabelSelector>,
}

/// All constraints of a pod; never empty.
pub(crate) struct Constraints {
    pub(crate) constraints: Vec<Constraint>,
    /// Nodes without all keys get no score; the system's defaults are content with some.
    pub(crate) require_all_topologies: bool,
}

impl Constraints {
    /// `None`: pods like this one may stand anywhere.
    pub(crate) fn of(pod: &PodInfo, cluster: &Cluster) -> Option<Self> {
        let own: Vec<Constraint> = explicit(pod).collect();
        let require_all_topologies = !own.is_empty();
        let constraints = if own.is_empty() { defaults(pod, cluster) } else { own };
        (!constraints.is_empty()).then_some(Self { constraints, require_all_topologies })
    }
}

/// The constraints that the pod itself asks for.
pub(crate) fn explicit(pod: &PodInfo) -> impl Iterator<Item = Constraint> {
    pod.spec().topology_spread_constraints.iter().flatten().map(|constraint| of_spec(constraint, pod))
}

fn of_spec(constraint: &TopologySpreadConstraint, pod: &PodInfo) -> Constraint {
    let mut selectors: Vec<LabelSelector> = constraint.label_selector.iter().cloned().collect();
    let keys = constraint.match_label_keys.iter().flatten();
    let pairs: Labels = keys.filter_map(|key| Some((key.clone(), pod.labels().get(key)?.clone()))).collect();
    if !pairs.is_empty() {
        selectors.push(LabelSelector { match_labels: Some(pairs), match_expressions: None });
    }
    Constraint {
        key: constraint.topology_key.clone(),
        max_skew: i64::from(constraint.max_skew),
        min_domains: i64::from(constraint.min_domains.unwrap_or(1)),
        hard: constraint.when_unsatisfiable == "DoNotSchedule",
        honor_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
        honor_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
        selectors,
    }
}

fn defaults(pod: &PodInfo, cluster: &Cluster) -> Vec<Constraint> {
    let selectors = owning_selectors(pod, cluster);
    if selectors.is_empty() {
        return Vec::new();
    }
    let constraint = |(key, max_skew): (&str, i32)| Constraint {
        key: key.to_owned(),
        max_skew: i64::from(max_skew),
        min_domains: 1,
        hard: false,
        honor_affinity: true,
        honor_taints: false,
        selectors: selectors.clone(),
    };
    DEFAULT_CONSTRAINTS.into_iter().map(constraint).collect()
}

/// The selectors of the Services and of the ReplicaSet that the pod belongs to (`helper.DefaultSelector`).
fn owning_selectors(pod: &PodInfo, cluster: &Cluster) -> Vec<LabelSelector> {
    let mut selectors = Vec::new();
    for service in cluster.services_in(pod.namespace()) {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).filter(|s| !s.is_empty());
        if let Some(selector) = selector.filter(|selector| contains_all(pod.labels(), selector)) {
            selectors.push(LabelSelector { match_labels: Some(selector.clone()), match_expressions: None });
        }
    }
    let owners = pod.pod.metadata.owner_references.iter().flatten();
    for owner in owners.filter(|owner| owner.controller == Some(true) && owner.kind == "ReplicaSet") {
        let key = client::ObjectKey::namespaced(pod.namespace(), owner.name.clone());
        if let Some(spec) = cluster.replica_sets.get(&key).and_then(|set| set.spec.as_ref()) {
            selectors.push(spec.selector.clone());
        }
    }
    selectors
}

impl Constraint {
    /// A constraint without a selector selects nothing, as a nil selector does upstream.
    pub(crate) fn selects(&self, labels: &Labels) -> bool {
        !self.selectors.is_empty() && self.selectors.iter().all(|selector| selects(selector, labels))
    }

    /// How many pods of the node match, those on their way out apart.
    pub(crate) fn matching_pods(&self, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let others = node.pods.values().filter(|other| other.namespace() == pod.namespace());
        let matching = others.filter(|other| !other.is_terminating() && self.selects(other.labels()));
        i64::try_from(matching.count()).unwrap_or(i64::MAX)
    }

    /// Whether the node's pods count at all (nodeAffinityPolicy, nodeTaintsPolicy).
    pub(crate) fn node_counts(&self, pod: &PodInfo, node: &NodeInfo) -> bool {
        let taints_fit = || {
            let mut taints = node.taints().iter().filter(|t| matches!(t.effect.as_str(), "NoSchedule" | "NoExecute"));
            taints.all(|taint| pod.tolerations().iter().any(|toleration| tolerates(toleration, taint)))
        };
        (!self.honor_affinity || node_affinity::matches(pod, node)) && (!self.honor_taints || taints_fit())
    }
}

/// Fewer pods score higher; ignored nodes nothing.
pub(crate) fn normalize(sums: &[i64], ignored: &[bool]) -> Vec<i64> {
    let known = || sums.iter().zip(ignored).filter(|(_, ignored)| !**ignored).map(|(sum, _)| *sum);
    let (min, max) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let score = |(sum, ignored): (&i64, &bool)| match (ignored, max) {
        (true, _) => 0,
        (false, 0) => MAX_NODE_SCORE,
        (false, max) => MAX_NODE_SCORE * (max + min - sum) / max,
    };
    sums.iter().zip(ignored).map(score).collect()
}
