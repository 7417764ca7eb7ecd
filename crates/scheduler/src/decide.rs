//! The decision: which node for this pod, given this cluster. Pure but for the random choice among equals.
//!
//! Answers of node plugins are kept per class of pods. For the next pod of the class only the nodes that changed since
//! (usually the one that the last pod went to) are asked again; what is left is one pass over numbers.

use crate::cache::Cluster;
use crate::fit_error::FitError;
use crate::framework::{CrossNode, Prepared, Rejection};
use crate::node::NodeInfo;
use crate::plugins::{CROSS_NODE, NODE_FILTERS, NODE_SCORE_COUNT, NODE_SCORES};
use crate::pod::{Class, PodInfo};
use rand::{Rng, RngExt};
use std::collections::HashMap;
use std::sync::Arc;

/// Classes whose answers are kept. One costs some 100 bytes per node: 16 MB with 5,000 nodes.
const MAX_CLASSES: usize = 32;

/// Chooses nodes, and remembers answers per class.
#[derive(Debug, Default)]
pub struct Decider {
    classes: HashMap<Class, Answers>,
    uses: u64,
}

#[derive(Debug, Default)]
struct Answers {
    last_use: u64,
    image_epoch: u64,
    verdicts: Vec<Verdict>,
}

/// What the node plugins say about one node. Generation 0 never occurs in the cache: not asked yet.
#[derive(Clone, Debug, Default)]
struct Verdict {
    generation: u64,
    refusal: Option<Box<(&'static str, Rejection)>>,
    scores: [i64; NODE_SCORE_COUNT],
}

impl Decider {
    /// Chooses a node for `pod`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn decide(&mut self, pod: &Arc<PodInfo>, cluster: &Cluster, rng: &mut dyn Rng) -> Result<String, FitError> {
        let answers = self.answers(pod, cluster);
        let cross: Vec<(&dyn CrossNode, Box<dyn Prepared>)> =
            CROSS_NODE.iter().filter_map(|plugin| Some((*plugin, plugin.prepare(pod, cluster)?))).collect();
        let mut feasible = Vec::new();
        let mut error = FitError::new(cluster.node_count());
        for (node, verdict) in cluster.slots().iter().zip(&answers.verdicts) {
            if node.node.is_none() {
                continue;
            }
            if let Some(refusal) = &verdict.refusal {
                error.add(refusal.0, &refusal.1);
            } else if let Some((plugin, rejection)) =
                cross.iter().find_map(|(plugin, prepared)| Some((plugin.name(), prepared.filter(node).err()?)))
            {
                error.add(plugin, &rejection);
            } else {
                feasible.push((node, verdict));
            }
        }
        if feasible.is_empty() {
            return Err(error);
        }
        let totals = totals(&feasible, &cross);
        let chosen = choose(pod, &feasible, &totals, rng);
        let name = feasible[chosen].0.node.as_ref().and_then(|node| node.metadata.name.clone());
        Ok(name.unwrap_or_default())
    }

    /// The class's answers, brought up to date.
    fn answers(&mut self, pod: &PodInfo, cluster: &Cluster) -> &Answers {
        self.uses += 1;
        if self.classes.len() >= MAX_CLASSES && !self.classes.contains_key(&pod.class) {
            let oldest = self.classes.iter().min_by_key(|(_, answers)| answers.last_use);
            if let Some(oldest) = oldest.map(|(class, _)| class.clone()) {
                self.classes.remove(&oldest);
            }
        }
        let answers = self.classes.entry(pod.class.clone()).or_default();
        answers.last_use = self.uses;
        if answers.image_epoch != cluster.image_epoch() {
            answers.image_epoch = cluster.image_epoch();
            answers.verdicts.clear();
        }
        answers.verdicts.resize_with(cluster.slots().len(), Verdict::default);
        for (node, verdict) in cluster.slots().iter().zip(&mut answers.verdicts) {
            if node.generation != verdict.generation {
                *verdict = ask(pod, node, cluster);
            }
        }
        answers
    }
}

fn ask(pod: &PodInfo, node: &NodeInfo, cluster: &Cluster) -> Verdict {
    let mut verdict = Verdict { generation: node.generation, ..Verdict::default() };
    if node.node.is_none() {
        return verdict;
    }
    for filter in NODE_FILTERS {
        if let Err(rejection) = filter.filter(pod, node) {
            verdict.refusal = Some(Box::new((filter.name(), rejection)));
            return verdict;
        }
    }
    for (score, plugin) in verdict.scores.iter_mut().zip(NODE_SCORES) {
        *score = plugin.score(pod, node, cluster);
    }
    verdict
}

/// Normalized, weighted and summed scores.
fn totals(feasible: &[(&NodeInfo, &Verdict)], cross: &[(&dyn CrossNode, Box<dyn Prepared>)]) -> Vec<i64> {
    let mut totals = vec![0; feasible.len()];
    let mut scores = Vec::with_capacity(feasible.len());
    for (index, plugin) in NODE_SCORES.iter().enumerate() {
        scores.clear();
        scores.extend(feasible.iter().map(|(_, verdict)| verdict.scores[index]));
        plugin.normalize(&mut scores);
        for (total, score) in totals.iter_mut().zip(&scores) {
            *total += score * plugin.weight();
        }
    }
    if !cross.is_empty() {
        let nodes: Vec<&NodeInfo> = feasible.iter().map(|(node, _)| *node).collect();
        for (plugin, prepared) in cross {
            for (total, score) in totals.iter_mut().zip(prepared.score(&nodes).into_iter().flatten()) {
                *total += score * plugin.weight();
            }
        }
    }
    totals
}

/// The best total wins. Scores are whole numbers, so that on large nodes some pods more or less make no difference:
/// among equals the exact load decides, and only among equally loaded ones chance.
fn choose(pod: &PodInfo, feasible: &[(&NodeInfo, &Verdict)], totals: &[i64], rng: &mut dyn Rng) -> usize {
    let best = totals.iter().copied().max().unwrap_or(0);
    let mut chosen: Vec<usize> = Vec::new();
    let mut lowest = f64::INFINITY;
    for (index, _) in totals.iter().enumerate().filter(|(_, total)| **total == best) {
        let load = load(pod, feasible[index].0);
        if load < lowest {
            lowest = load;
            chosen.clear();
        }
        if load <= lowest {
            chosen.push(index);
        }
    }
    match chosen.len() {
        0 => 0,
        count => chosen[rng.random_range(0..count)],
    }
}

/// The share of cpu and memory that would be requested, without rounding.
#[expect(clippy::cast_precision_loss, reason = "shares")]
fn load(pod: &PodInfo, node: &NodeInfo) -> f64 {
    let share = |requested: i64, allocatable: i64| requested as f64 / allocatable.max(1) as f64;
    share(node.non_zero.milli_cpu + pod.non_zero.milli_cpu, node.allocatable.milli_cpu)
        + share(node.non_zero.memory + pod.non_zero.memory, node.allocatable.memory)
}
