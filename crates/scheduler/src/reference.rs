//! The naive scheduler: one pod at a time, every node asked, nothing remembered. What the real one must agree with.

use crate::cache::Cluster;
use crate::fit_error::FitError;
use crate::framework::Rejection;
use crate::node::NodeInfo;
use crate::plugins::{NODE_FILTERS, NORMALIZED_SCORES, PLAIN_SCORES};
use crate::pod::PodInfo;
use std::sync::Arc;

mod affinity;
mod spread;

/// A cross-node plugin that has counted over all nodes for one pod.
trait Counted {
    fn filter(&self, node: &NodeInfo) -> Result<(), Rejection>;
    fn score(&self, feasible: &[&NodeInfo]) -> Option<Vec<i64>>;
}

const CROSS_WEIGHT: i64 = 2;

/// All nodes that are as good as the best.
pub fn candidates(pod: &Arc<PodInfo>, cluster: &Cluster) -> Result<Vec<String>, FitError> {
    let cross: Vec<(&'static str, Box<dyn Counted>)> =
        [("PodTopologySpread", spread::count(pod, cluster)), ("InterPodAffinity", affinity::count(pod, cluster))]
            .into_iter()
            .filter_map(|(name, counted)| Some((name, counted?)))
            .collect();
    let mut feasible: Vec<&NodeInfo> = Vec::new();
    let mut error = FitError::new(cluster.node_count());
    for node in cluster.nodes() {
        let by_node = NODE_FILTERS.iter().find_map(|plugin| Some((plugin.name(), plugin.filter(pod, node).err()?)));
        let refusal = by_node.or_else(|| cross.iter().find_map(|(name, c)| Some((*name, c.filter(node).err()?))));
        match refusal {
            Some((plugin, rejection)) => error.add(plugin, &rejection, 1),
            None => feasible.push(node),
        }
    }
    if feasible.is_empty() {
        return Err(error);
    }
    let mut totals: Vec<i64> = feasible
        .iter()
        .map(|node| PLAIN_SCORES.iter().map(|plugin| plugin.weight() * plugin.score(pod, node, cluster)).sum())
        .collect();
    for plugin in NORMALIZED_SCORES {
        let mut scores: Vec<i64> = feasible.iter().map(|node| plugin.score(pod, node, cluster)).collect();
        plugin.normalize(&mut scores);
        totals.iter_mut().zip(scores).for_each(|(total, score)| *total += score * plugin.weight());
    }
    for (_, counted) in &cross {
        let scores = counted.score(&feasible);
        totals.iter_mut().zip(scores.into_iter().flatten()).for_each(|(total, score)| *total += score * CROSS_WEIGHT);
    }
    let best = totals.iter().copied().max().unwrap_or(0);
    let load = |node: &NodeInfo| crate::answers::load(pod, node);
    let among: Vec<&NodeInfo> =
        feasible.into_iter().zip(&totals).filter(|(_, t)| **t == best).map(|(n, _)| n).collect();
    let lowest = among.iter().map(|node| load(node)).min();
    let equal = among.into_iter().filter(|node| Some(load(node)) == lowest);
    Ok(equal.filter_map(|node| node.node.as_ref()?.metadata.name.clone()).collect())
}
