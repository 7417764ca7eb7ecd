//! PodTopologySpread: matching pods spread over zones, hosts or any other label of nodes.
//!
//! Without constraints of its own, a pod that belongs to a Service or a ReplicaSet gets upstream's defaults: hosts with
//! maxSkew 3 and zones with maxSkew 5, as a wish (ScheduleAnyway).

use super::node_affinity;
use crate::cache::{Cluster, HOSTNAME};
use crate::framework::{ClusterEvent, CrossNode, Group, MAX_NODE_SCORE, Prepared, Rejection, Standing};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::selector::{Labels, contains_all, selects, tolerates};
use k8s_openapi::api::core::v1::TopologySpreadConstraint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::HashSet;
use std::sync::Arc;

/// (topology key, maxSkew) of the system's default constraints.
const DEFAULT_CONSTRAINTS: [(&str, i32); 2] = [(HOSTNAME, 3), ("topology.kubernetes.io/zone", 5)];

/// See the module's text.
pub struct PodTopologySpread;

#[derive(Clone, Debug)]
struct Constraint {
    key: String,
    max_skew: i64,
    min_domains: i64,
    hard: bool,
    honor_affinity: bool,
    honor_taints: bool,
    selectors: Vec<LabelSelector>,
}

#[derive(Debug)]
struct PreparedSpread {
    pod: Arc<PodInfo>,
    constraints: Vec<Constraint>,
    /// Nodes without all keys get no score; the system's defaults are content with some.
    require_all_topologies: bool,
}

impl CrossNode for PodTopologySpread {
    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn prepare(&self, pod: &Arc<PodInfo>, cluster: &Cluster) -> Option<Box<dyn Prepared>> {
        let own: Vec<Constraint> = own_constraints(pod).map(|c| explicit(c, pod)).collect();
        let require_all_topologies = !own.is_empty();
        let constraints = if own.is_empty() { defaults(pod, cluster) } else { own };
        if constraints.is_empty() {
            return None;
        }
        Some(Box::new(PreparedSpread { pod: pod.clone(), constraints, require_all_topologies }))
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        let mut constraints = own_constraints(pod).map(|c| explicit(c, pod));
        match event {
            ClusterEvent::PodPlaced(other) | ClusterEvent::PodRemoved(other) => {
                other.namespace() == pod.namespace() && constraints.any(|c| c.selects(other.labels()))
            }
            ClusterEvent::Node(_, change) => change.labels || change.taints,
            ClusterEvent::NodeRemoved => true,
        }
    }
}

fn own_constraints(pod: &PodInfo) -> impl Iterator<Item = &TopologySpreadConstraint> {
    pod.spec().topology_spread_constraints.iter().flatten()
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
}

impl Prepared for PreparedSpread {
    /// The pod's own labels count only by whether they match; what its node affinity and its tolerations say is in the
    /// class of the node plugins.
    fn key(&self) -> String {
        let own: Vec<bool> = self.constraints.iter().map(|c| c.selects(self.pod.labels())).collect();
        format!("{} {:?} {own:?} {}", self.pod.namespace(), self.constraints, self.require_all_topologies)
    }

    fn topology_keys(&self) -> Vec<&str> {
        self.constraints.iter().map(|constraint| constraint.key.as_str()).collect()
    }

    fn contribution(&self, tally: usize, node: &NodeInfo) -> Option<i64> {
        let constraint = &self.constraints[tally];
        constraint.node_counts(&self.pod, node).then(|| constraint.matching_pods(&self.pod, node))
    }

    fn filter(&self, tallies: &[Standing]) -> Result<(), Rejection> {
        for (constraint, tally) in self.constraints.iter().zip(tallies).filter(|(c, _)| c.hard) {
            let Some(here) = tally.here else {
                return Err(Rejection::unresolvable(
                    "node(s) didn't match pod topology spread constraints (missing required label)",
                ));
            };
            let domains = i64::try_from(tally.domains).unwrap_or(i64::MAX);
            let min = if domains < constraint.min_domains { 0 } else { tally.min };
            let own = i64::from(constraint.selects(self.pod.labels()));
            if here + own - min > constraint.max_skew {
                return Err(Rejection::unschedulable("node(s) didn't match pod topology spread constraints"));
            }
        }
        Ok(())
    }

    fn score(&self, groups: &[Group<'_>]) -> Option<Vec<i64>> {
        let soft: Vec<(usize, &Constraint)> = self.constraints.iter().enumerate().filter(|(_, c)| !c.hard).collect();
        if soft.is_empty() {
            return None;
        }
        let lacks = |group: &Group<'_>| soft.iter().any(|(tally, _)| group.tallies[*tally].here.is_none());
        let ignored: Vec<bool> = groups.iter().map(|group| self.require_all_topologies && lacks(group)).collect();
        let mut sums = vec![0.0_f64; groups.len()];
        for (tally, constraint) in soft {
            let known = groups
                .iter()
                .zip(&ignored)
                .filter(|(group, ignored)| !**ignored && group.tallies[tally].here.is_some());
            // Every host is a domain of its own.
            let domains: usize = if constraint.key == HOSTNAME {
                known.map(|(group, _)| group.nodes).sum()
            } else {
                known.map(|(group, _)| group.tallies[tally].domain).collect::<HashSet<usize>>().len()
            };
            #[expect(clippy::cast_precision_loss, reason = "numbers of nodes and pods")]
            let weight = (domains as f64 + 2.0).ln();
            for (sum, group) in sums.iter_mut().zip(groups) {
                let Some(here) = group.tallies[tally].here else { continue };
                #[expect(clippy::cast_precision_loss, reason = "numbers of pods")]
                let score = here as f64 * weight + (constraint.max_skew - 1) as f64;
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
