//! Spreading, counted anew for each pod.

use super::Counted;
use crate::cache::{Cluster, HOSTNAME};
use crate::framework::Rejection;
use crate::node::NodeInfo;
use crate::plugins::spread_constraint::{Constraint, Constraints, normalize};
use crate::pod::PodInfo;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

struct PreparedSpread {
    pod: Arc<PodInfo>,
    constraints: Vec<Constraint>,
    /// Matching pods per value of each constraint's key, over the nodes that count for it.
    counts: Vec<HashMap<String, i64>>,
    require_all_topologies: bool,
}

/// Counts over all nodes; `None`: the pod has no constraints.
pub(super) fn count(pod: &Arc<PodInfo>, cluster: &Cluster) -> Option<Box<dyn Counted>> {
    let Constraints { constraints, require_all_topologies } = Constraints::of(pod, cluster)?;
    let counts = constraints.iter().map(|constraint| count_all(constraint, pod, cluster)).collect();
    Some(Box::new(PreparedSpread { pod: pod.clone(), constraints, counts, require_all_topologies }))
}

fn count_all(constraint: &Constraint, pod: &PodInfo, cluster: &Cluster) -> HashMap<String, i64> {
    let mut counts: HashMap<String, i64> = HashMap::new();
    for node in cluster.nodes().filter(|node| constraint.node_counts(pod, node)) {
        if let Some(value) = node.label(&constraint.key) {
            *counts.entry(value.to_owned()).or_default() += constraint.matching_pods(pod, node);
        }
    }
    counts
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
