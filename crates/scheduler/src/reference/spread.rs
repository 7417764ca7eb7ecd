//! Spreading, counted anew for each pod.

use super::Counted;
use crate::cache::{Cluster, HOSTNAME};
use crate::framework::{MAX_NODE_SCORE, Rejection};
use crate::node::NodeInfo;
use crate::plugins::node_affinity;
use crate::pod::PodInfo;
use crate::selector::{Labels, contains_all, selects, tolerates};
use k8s_openapi::api::core::v1::TopologySpreadConstraint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// (topology key, maxSkew) of the system's default constraints.
const DEFAULT_CONSTRAINTS: [(&str, i32); 2] = [(HOSTNAME, 3), ("topology.kubernetes.io/zone", 5)];

struct Constraint {
    key: String,
    max_skew: i64,
    min_domains: i64,
    hard: bool,
    honor_affinity: bool,
    honor_taints: bool,
    selectors: Vec<LabelSelector>,
}

struct PreparedSpread {
    pod: Arc<PodInfo>,
    constraints: Vec<Constraint>,
    /// Matching pods per value of each constraint's key, over the nodes that count for it.
    counts: Vec<HashMap<String, i64>>,
    /// Nodes without all keys get no score; the system's defaults are content with some.
    require_all_topologies: bool,
}

/// Counts over all nodes; `None`: the pod has no constraints.
pub(super) fn count(pod: &Arc<PodInfo>, cluster: &Cluster) -> Option<Box<dyn Counted>> {
    let own: Vec<Constraint> =
        pod.spec().topology_spread_constraints.iter().flatten().map(|c| explicit(c, pod)).collect();
    let require_all_topologies = !own.is_empty();
    let constraints = if own.is_empty() { defaults(pod, cluster) } else { own };
    if constraints.is_empty() {
        return None;
    }
    let counts = constraints.iter().map(|constraint| constraint.count(pod, cluster)).collect();
    Some(Box::new(PreparedSpread { pod: pod.clone(), constraints, counts, require_all_topologies }))
}

fn explicit(constraint: &TopologySpreadConstraint, pod: &PodInfo) -> Constraint {
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
    for (key, service) in &cluster.services {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).filter(|s| !s.is_empty());
        if let Some(selector) = selector.filter(|s| key.namespace == pod.namespace() && contains_all(pod.labels(), s)) {
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
    fn selects(&self, labels: &Labels) -> bool {
        !self.selectors.is_empty() && self.selectors.iter().all(|selector| selects(selector, labels))
    }

    fn matching_pods(&self, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let others = node.pods.values().filter(|other| other.namespace() == pod.namespace());
        let matching = others.filter(|other| !other.is_terminating() && self.selects(other.labels()));
        i64::try_from(matching.count()).unwrap_or(i64::MAX)
    }

    fn node_counts(&self, pod: &PodInfo, node: &NodeInfo) -> bool {
        let taints_fit = || {
            let mut taints = node.taints().iter().filter(|t| matches!(t.effect.as_str(), "NoSchedule" | "NoExecute"));
            taints.all(|taint| pod.tolerations().iter().any(|toleration| tolerates(toleration, taint)))
        };
        (!self.honor_affinity || node_affinity::matches(pod, node)) && (!self.honor_taints || taints_fit())
    }

    fn count(&self, pod: &PodInfo, cluster: &Cluster) -> HashMap<String, i64> {
        let mut counts: HashMap<String, i64> = HashMap::new();
        for node in cluster.nodes().filter(|node| self.node_counts(pod, node)) {
            if let Some(value) = node.label(&self.key) {
                *counts.entry(value.to_owned()).or_default() += self.matching_pods(pod, node);
            }
        }
        counts
    }
}

impl Counted for PreparedSpread {
    fn filter(&self, node: &NodeInfo) -> Result<(), Rejection> {
        for (constraint, counts) in self.constraints.iter().zip(&self.counts).filter(|(c, _)| c.hard) {
            let Some(value) = node.label(&constraint.key) else {
                return Err(Rejection::unresolvable(
                    "node(s) didn't match pod topology spread constraints (missing required label)",
                ));
            };
            let domains = i64::try_from(counts.len()).unwrap_or(i64::MAX);
            let min = if domains < constraint.min_domains { 0 } else { counts.values().copied().min().unwrap_or(0) };
            let own = i64::from(constraint.selects(self.pod.labels()));
            if counts.get(value).copied().unwrap_or(0) + own - min > constraint.max_skew {
                return Err(Rejection::unschedulable("node(s) didn't match pod topology spread constraints"));
            }
        }
        Ok(())
    }

    fn score(&self, feasible: &[&NodeInfo]) -> Option<Vec<i64>> {
        let soft: Vec<(&Constraint, &HashMap<String, i64>)> =
            self.constraints.iter().zip(&self.counts).filter(|(constraint, _)| !constraint.hard).collect();
        if soft.is_empty() {
            return None;
        }
        let ignored: Vec<bool> = feasible
            .iter()
            .map(|node| self.require_all_topologies && soft.iter().any(|(c, _)| node.label(&c.key).is_none()))
            .collect();
        let mut sums = vec![0.0_f64; feasible.len()];
        for (constraint, counts) in soft {
            let values = feasible.iter().zip(&ignored).filter(|(_, ignored)| !**ignored);
            let values: HashSet<&str> = values.filter_map(|(node, _)| node.label(&constraint.key)).collect();
            #[expect(clippy::cast_precision_loss, reason = "numbers of nodes and pods")]
            let weight = (values.len() as f64 + 2.0).ln();
            for (sum, node) in sums.iter_mut().zip(feasible) {
                let Some(value) = node.label(&constraint.key) else { continue };
                let count = if constraint.key == HOSTNAME {
                    constraint.matching_pods(&self.pod, node)
                } else {
                    counts.get(value).copied().unwrap_or(0)
                };
                #[expect(clippy::cast_precision_loss, reason = "numbers of pods")]
                let score = count as f64 * weight + (constraint.max_skew - 1) as f64;
                *sum += score;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "far below 2^63")]
        let sums: Vec<i64> = sums.into_iter().map(|sum| sum.round() as i64).collect();
        Some(normalize(&sums, &ignored))
    }
}

/// Fewer pods score higher; ignored nodes nothing.
fn normalize(sums: &[i64], ignored: &[bool]) -> Vec<i64> {
    let known = || sums.iter().zip(ignored).filter(|(_, ignored)| !**ignored).map(|(sum, _)| *sum);
    let (min, max) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let score = |(sum, ignored): (&i64, &bool)| match (ignored, max) {
        (true, _) => 0,
        (false, 0) => MAX_NODE_SCORE,
        (false, max) => MAX_NODE_SCORE * (max + min - sum) / max,
    };
    sums.iter().zip(ignored).map(score).collect()
}
