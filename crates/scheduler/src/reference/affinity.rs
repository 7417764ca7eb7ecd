//! Affinity to other pods, counted anew for each pod.

use super::Counted;
use crate::cache::Cluster;
use crate::framework::{MAX_NODE_SCORE, Rejection};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::selector::selects;
use k8s_openapi::api::core::v1::{PodAffinityTerm, WeightedPodAffinityTerm};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

type Domain = (String, String);

struct PreparedAffinity {
    pod: Arc<PodInfo>,
    /// Per required affinity term: the domains that have a matching pod.
    affinity: Vec<(PodAffinityTerm, HashSet<Domain>)>,
    /// Domains that the pod's own required anti-affinity forbids.
    anti_affinity: HashSet<Domain>,
    /// Domains that anti-affinity of placed pods forbids to this one.
    forbidden: HashSet<Domain>,
    /// Sum of preferred weights per domain.
    preferred: HashMap<Domain, i64>,
}

fn required(pod: &PodInfo, anti: bool) -> &[PodAffinityTerm] {
    let affinity = pod.affinity();
    let terms = if anti {
        affinity
            .and_then(|a| a.pod_anti_affinity.as_ref())
            .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_deref())
    } else {
        affinity
            .and_then(|a| a.pod_affinity.as_ref())
            .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_deref())
    };
    terms.unwrap_or_default()
}

fn preferred(pod: &PodInfo, anti: bool) -> &[WeightedPodAffinityTerm] {
    let affinity = pod.affinity();
    let terms = if anti {
        affinity
            .and_then(|a| a.pod_anti_affinity.as_ref())
            .and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_deref())
    } else {
        affinity
            .and_then(|a| a.pod_affinity.as_ref())
            .and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_deref())
    };
    terms.unwrap_or_default()
}

/// Whether `term` of `owner` selects `other`.
fn term_selects(term: &PodAffinityTerm, owner: &PodInfo, other: &PodInfo) -> bool {
    let listed = term.namespaces.as_deref().unwrap_or_default();
    let all = term.namespace_selector.as_ref().is_some_and(|selector| {
        selector.match_labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
            && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
    });
    let own = listed.is_empty() && term.namespace_selector.is_none() && owner.namespace() == other.namespace();
    let namespace = all || own || listed.iter().any(|namespace| namespace == other.namespace());
    namespace && term.label_selector.as_ref().is_some_and(|selector| selects(selector, other.labels()))
}

fn domain(term: &PodAffinityTerm, node: &NodeInfo) -> Option<Domain> {
    Some((term.topology_key.clone(), node.label(&term.topology_key)?.to_owned()))
}

/// Counts over all pods.
pub(super) fn count(pod: &Arc<PodInfo>, cluster: &Cluster) -> Option<Box<dyn Counted>> {
    let mut prepared = PreparedAffinity {
        pod: pod.clone(),
        affinity: required(pod, false).iter().map(|term| (term.clone(), HashSet::new())).collect(),
        anti_affinity: HashSet::new(),
        forbidden: HashSet::new(),
        preferred: HashMap::new(),
    };
    for node in cluster.nodes() {
        for other in node.pods.values() {
            prepared.count(other, node);
        }
    }
    Some(Box::new(prepared))
}

impl PreparedAffinity {
    fn count(&mut self, other: &PodInfo, node: &NodeInfo) {
        let pod = self.pod.clone();
        for (term, domains) in &mut self.affinity {
            if term_selects(term, &pod, other) {
                domains.extend(domain(term, node));
            }
        }
        let matching = required(&pod, true).iter().filter(|term| term_selects(term, &pod, other));
        self.anti_affinity.extend(matching.filter_map(|term| domain(term, node)));
        let refusing = required(other, true).iter().filter(|term| term_selects(term, other, &pod));
        self.forbidden.extend(refusing.filter_map(|term| domain(term, node)));
        // What others require is a wish of weight 1 to this pod.
        for term in required(other, false).iter().filter(|term| term_selects(term, other, &pod)) {
            if let Some(domain) = domain(term, node) {
                *self.preferred.entry(domain).or_default() += 1;
            }
        }
        for (anti, sign) in [(false, 1), (true, -1)] {
            // Both sides' wishes count: the pod's about the other, and the other's about the pod.
            for (owner, about) in [(&*pod, other), (other, &*pod)] {
                for wish in preferred(owner, anti) {
                    if let Some(domain) = domain(&wish.pod_affinity_term, node)
                        && term_selects(&wish.pod_affinity_term, owner, about)
                    {
                        *self.preferred.entry(domain).or_default() += sign * i64::from(wish.weight);
                    }
                }
            }
        }
    }

    /// A group's first pod may go anywhere, if it matches its own terms and no pod does yet.
    fn is_first_of_its_group(&self) -> bool {
        self.affinity.iter().all(|(term, domains)| domains.is_empty() && term_selects(term, &self.pod, &self.pod))
    }
}

impl Counted for PreparedAffinity {
    fn filter(&self, node: &NodeInfo) -> Result<(), Rejection> {
        let near = |(term, domains): &(PodAffinityTerm, HashSet<Domain>)| {
            domain(term, node).is_some_and(|domain| domains.contains(&domain))
        };
        let labelled = self.affinity.iter().all(|(term, _)| domain(term, node).is_some());
        if !(self.affinity.iter().all(near) || labelled && self.is_first_of_its_group()) {
            return Err(Rejection::unresolvable("node(s) didn't match pod affinity rules"));
        }
        let own = required(&self.pod, true).iter().filter_map(|term| domain(term, node));
        if own.into_iter().any(|domain| self.anti_affinity.contains(&domain)) {
            return Err(Rejection::unschedulable("node(s) didn't match pod anti-affinity rules"));
        }
        if self.forbidden.iter().any(|(key, value)| node.label(key) == Some(value)) {
            return Err(Rejection::unschedulable("node(s) didn't satisfy existing pods anti-affinity rules"));
        }
        Ok(())
    }

    fn score(&self, feasible: &[&NodeInfo]) -> Option<Vec<i64>> {
        if self.preferred.is_empty() {
            return None;
        }
        let sum = |node: &&NodeInfo| -> i64 {
            let here = self.preferred.iter().filter(|((key, value), _)| node.label(key) == Some(value));
            here.map(|(_, weight)| weight).sum()
        };
        let sums: Vec<i64> = feasible.iter().map(sum).collect();
        let (min, max) = (sums.iter().copied().min().unwrap_or(0), sums.iter().copied().max().unwrap_or(0));
        let scale = |sum: i64| if max == min { 0 } else { MAX_NODE_SCORE * (sum - min) / (max - min) };
        Some(sums.into_iter().map(scale).collect())
    }
}
