//! PodTopologySpread: matching pods spread over zones, hosts or any other label of nodes.
//!
//! Which constraints a pod has is told in `spread_constraint`; here they are counted.

use super::spread_constraint::{Constraint, Constraints, explicit, normalize};
use crate::cache::{Cluster, HOSTNAME};
use crate::framework::{ClusterEvent, CrossNode, Group, Prepared, Rejection, Standing};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use std::collections::HashSet;
use std::sync::Arc;

/// See the module's text.
pub struct PodTopologySpread;

#[derive(Debug)]
struct PreparedSpread {
    pod: Arc<PodInfo>,
    constraints: Vec<Constraint>,
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
        let Constraints { constraints, require_all_topologies } = Constraints::of(pod, cluster)?;
        Some(Box::new(PreparedSpread { pod: pod.clone(), constraints, require_all_topologies }))
    }

    fn helped_by(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        let mut constraints = explicit(pod);
        match event {
            ClusterEvent::PodPlaced(other) | ClusterEvent::PodRemoved(other) => {
                other.namespace() == pod.namespace() && constraints.any(|c| c.selects(other.labels()))
            }
            ClusterEvent::Node(_, change) => change.labels || change.taints,
            ClusterEvent::NodeRemoved => true,
        }
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
