//! The decision: which node for this pod, given this cluster. Pure but for the random choice among equals.
//!
//! Pods of one class (the same constraints, and the same standing towards other pods) share their answers, which are
//! kept and brought up to date: see [`crate::answers`].

use crate::answers::{Answers, Concerned};
use crate::cache::Cluster;
use crate::fit_error::FitError;
use crate::framework::Prepared;
use crate::plugins::CROSS_NODE;
use crate::pod::{Class, PodInfo};
use foldhash::HashMap;
use rand::Rng;
use std::sync::Arc;

/// Nodes that all remembered classes may hold together: some 200 bytes each, so 100 MB. With 5,000 nodes a hundred
/// classes.
const MAX_REMEMBERED_NODES: usize = 500_000;

/// Chooses nodes, and remembers answers per class.
#[derive(Debug, Default)]
pub struct Decider {
    classes: HashMap<Kind, Remembered>,
    uses: u64,
}

/// The class of the node plugins, and what the cross-node plugins make of the pod.
type Kind = (Class, String);

#[derive(Debug)]
struct Remembered {
    last_use: u64,
    answers: Answers,
}

impl Decider {
    /// Chooses a node for `pod`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn decide(&mut self, pod: &Arc<PodInfo>, cluster: &Cluster, rng: &mut dyn Rng) -> Result<String, FitError> {
        let concerned: Vec<Concerned> =
            CROSS_NODE.iter().filter_map(|plugin| Some((*plugin, plugin.prepare(pod, cluster)?))).collect();
        let answers = self.answers(pod, concerned, cluster.slots().len());
        answers.refresh(pod, cluster, rng);
        let slot = answers.best(cluster)?;
        let name = cluster.slots()[slot].node.as_ref().and_then(|node| node.metadata.name.clone());
        Ok(name.unwrap_or_default())
    }

    fn answers(&mut self, pod: &PodInfo, concerned: Vec<Concerned>, nodes: usize) -> &mut Answers {
        self.uses += 1;
        let texts: Vec<String> =
            concerned.iter().map(|(plugin, prepared)| kind_text(plugin.name(), &**prepared)).collect();
        let kind = (pod.class.clone(), texts.concat());
        if !self.classes.contains_key(&kind) {
            self.make_room(nodes);
        }
        let remembered =
            self.classes.entry(kind).or_insert_with(|| Remembered { last_use: 0, answers: Answers::new(concerned) });
        remembered.last_use = self.uses;
        &mut remembered.answers
    }

    /// Forgets the classes that were not needed for longest.
    fn make_room(&mut self, nodes: usize) {
        let held: usize = self.classes.values().map(|remembered| remembered.answers.len()).sum();
        let mut held = held + nodes;
        while held > MAX_REMEMBERED_NODES {
            let oldest = self.classes.iter().min_by_key(|(_, remembered)| remembered.last_use);
            let Some(oldest) = oldest.map(|(kind, _)| kind.clone()) else { return };
            held -= self.classes.remove(&oldest).map_or(0, |remembered| remembered.answers.len());
        }
    }
}

fn kind_text(plugin: &str, prepared: &dyn Prepared) -> String {
    format!("|{plugin}: {}", prepared.key())
}
