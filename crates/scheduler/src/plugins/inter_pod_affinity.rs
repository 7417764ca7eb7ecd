//! InterPodAffinity: pods that must or would like to be with, or away from, other pods within a topology.
//!
//! Namespace selectors are not known here (the scheduler does not watch namespaces): a term with a non-empty one is
//! taken to select the namespaces that it lists only; an empty one (`{}`) selects all.

use crate::affinity_term::{Term, Wish};
use crate::cache::Cluster;
use crate::framework::{ClusterEvent, CrossNode, Group, MAX_NODE_SCORE, Prepared, Rejection, Standing};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use std::sync::Arc;

/// See the module's text.
pub struct InterPodAffinity;

/// What one tally counts.
#[derive(Clone, Debug)]
enum Count {
    /// Pods that the pod must be with.
    Affinity(Term),
    /// Pods that it must not be with.
    AntiAffinity(Term),
    /// Pods that must not be with it: those that have this very term.
    Refusing(Term),
    /// Pods about which it has a wish.
    Own(Wish),
    /// Pods that have this very wish, which is about it.
    Others(Wish),
}

impl Count {
    fn term(&self) -> &Term {
        match self {
            Self::Affinity(term) | Self::AntiAffinity(term) | Self::Refusing(term) => term,
            Self::Own(wish) | Self::Others(wish) => &wish.term,
        }
    }

    fn of(&self, other: &PodInfo) -> usize {
        match self {
            Self::Affinity(term) | Self::AntiAffinity(term) => usize::from(term.selects(other)),
            Self::Own(wish) => usize::from(wish.term.selects(other)),
            Self::Refusing(term) => usize::from(other.terms.refusals.contains(term)),
            Self::Others(wish) => other.terms.wishes.iter().filter(|own| *own == wish).count(),
        }
    }
}

#[derive(Debug)]
struct PreparedAffinity {
    counts: Vec<Count>,
    /// The pod matches all of its own required terms: the first of a group may go anywhere.
    matches_itself: bool,
}

impl CrossNode for InterPodAffinity {
    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn prepare(&self, pod: &Arc<PodInfo>, cluster: &Cluster) -> Option<Box<dyn Prepared>> {
        let own = &pod.terms;
        let mut counts: Vec<Count> = own.requirements.iter().cloned().map(Count::Affinity).collect();
        counts.extend(own.refusals.iter().cloned().map(Count::AntiAffinity));
        let refusing = cluster.refusals().filter(|term| term.selects(pod));
        counts.extend(refusing.cloned().map(Count::Refusing));
        // What it requires is a wish only to others.
        let wishes = own.wishes.iter().filter(|wish| !wish.is_requirement);
        counts.extend(wishes.cloned().map(Count::Own));
        let others = cluster.wishes().filter(|wish| wish.term.selects(pod));
        counts.extend(others.cloned().map(Count::Others));
        if counts.is_empty() {
            return None;
        }
        let matches_itself = own.requirements.iter().all(|term| term.selects(pod));
        Some(Box::new(PreparedAffinity { counts, matches_itself }))
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::PodPlaced(other) => pod.terms.requirements.iter().any(|term| term.selects(other)),
            ClusterEvent::PodRemoved(other) => {
                pod.terms.refusals.iter().any(|term| term.selects(other))
                    || other.terms.refusals.iter().any(|term| term.selects(pod))
            }
            ClusterEvent::Node(_, change) => change.labels,
            ClusterEvent::NodeRemoved => false,
        }
    }
}

impl Prepared for PreparedAffinity {
    fn key(&self) -> String {
        format!("{:?} {}", self.counts, self.matches_itself)
    }

    fn topology_keys(&self) -> Vec<&str> {
        self.counts.iter().map(|count| count.term().topology_key()).collect()
    }

    fn contribution(&self, tally: usize, node: &NodeInfo) -> Option<i64> {
        let count = &self.counts[tally];
        let matching = node.pods.values().map(|other| count.of(other)).sum::<usize>();
        Some(i64::try_from(matching).unwrap_or(i64::MAX))
    }

    fn filter(&self, tallies: &[Standing]) -> Result<(), Rejection> {
        let counted = || self.counts.iter().zip(tallies);
        let required = || counted().filter(|(count, _)| matches!(count, Count::Affinity(_))).map(|(_, tally)| tally);
        let near = required().all(|tally| tally.here.is_some_and(|here| here > 0));
        let is_first = || self.matches_itself && required().all(|tally| tally.here.is_some() && tally.total == 0);
        if !near && !is_first() {
            return Err(Rejection::unresolvable("node(s) didn't match pod affinity rules"));
        }
        let occupied = |tally: &Standing| tally.here.is_some_and(|here| here > 0);
        if counted().any(|(count, tally)| matches!(count, Count::AntiAffinity(_)) && occupied(tally)) {
            return Err(Rejection::unschedulable("node(s) didn't match pod anti-affinity rules"));
        }
        if counted().any(|(count, tally)| matches!(count, Count::Refusing(_)) && occupied(tally)) {
            return Err(Rejection::unschedulable("node(s) didn't satisfy existing pods anti-affinity rules"));
        }
        Ok(())
    }

    fn score(&self, groups: &[Group<'_>]) -> Option<Vec<i64>> {
        let weight = |count: &Count| match count {
            Count::Own(wish) | Count::Others(wish) => Some(wish.weight),
            Count::Affinity(_) | Count::AntiAffinity(_) | Count::Refusing(_) => None,
        };
        let weights: Vec<(usize, i64)> =
            self.counts.iter().enumerate().filter_map(|(tally, count)| Some((tally, weight(count)?))).collect();
        if weights.is_empty() {
            return None;
        }
        let sum = |group: &Group<'_>| -> i64 {
            weights.iter().map(|(tally, weight)| group.tallies[*tally].here.unwrap_or(0) * weight).sum()
        };
        let sums: Vec<i64> = groups.iter().map(sum).collect();
        let (min, max) = (sums.iter().copied().min().unwrap_or(0), sums.iter().copied().max().unwrap_or(0));
        let scale = |sum: i64| if max == min { 0 } else { MAX_NODE_SCORE * (sum - min) / (max - min) };
        Some(sums.into_iter().map(scale).collect())
    }
}
