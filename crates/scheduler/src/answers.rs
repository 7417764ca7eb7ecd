//! What is known about one class of pods: what the node plugins say of every node, and the nodes in groups that the
//! cross-node plugins cannot tell apart, each group with its best node first.
//!
//! A decision looks at groups, of which there are few, instead of nodes; and only nodes that changed since the last
//! decision about the class (usually the one that its last pod went to) are looked at again.

use crate::cache::Cluster;
use crate::fit_error::FitError;
use crate::framework::{CrossNode, Group, Prepared, Rejection, Standing};
use crate::node::NodeInfo;
use crate::plugins::{NODE_FILTERS, NORMALIZED_SCORE_COUNT, NORMALIZED_SCORES, PLAIN_SCORES};
use crate::pod::PodInfo;
use crate::tally::{Share, Tally};
use foldhash::{HashMap, HashMapExt};
use rand::{Rng, RngExt};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A cross-node plugin that is concerned, and how it is prepared.
pub type Concerned = (&'static dyn CrossNode, Box<dyn Prepared>);

/// What tells groups apart: raw scores that are normalized later, then a mark for each tally.
type GroupKey = Arc<[i64]>;

/// The order within a group: the best plain score, then the lowest load, then chance.
type Rank = (Reverse<i64>, u64, u64, usize);

/// See the module's text.
pub struct Answers {
    image_epoch: u64,
    /// The generation of the cluster up to which changes are taken in.
    seen: u64,
    cross: Vec<(Concerned, Range<usize>)>,
    tallies: Vec<Tally>,
    slots: Vec<Slot>,
    groups: HashMap<GroupKey, BTreeSet<Rank>>,
    /// Scratch space.
    moved: Vec<usize>,
    key: Vec<i64>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answers({} slots in {} groups)", self.slots.len(), self.groups.len())
    }
}

/// Generation 0 never occurs in the cluster: not looked at yet.
#[derive(Debug, Default)]
struct Slot {
    generation: u64,
    verdict: Verdict,
    shares: Box<[Share]>,
    place: Option<(GroupKey, Rank)>,
}

/// What the node plugins say about one node.
#[derive(Debug, Default)]
enum Verdict {
    /// There is no node.
    #[default]
    Absent,
    /// A filter refused it.
    Refused(Box<(&'static str, Rejection)>),
    /// It is as good as this.
    Feasible { plain: i64, normalized: [i64; NORMALIZED_SCORE_COUNT], load: u64 },
}

impl Answers {
    /// Nothing known yet.
    pub fn new(cross: Vec<Concerned>) -> Self {
        let mut tallies: Vec<Tally> = Vec::new();
        let with_ranges = cross.into_iter().map(|concerned| {
            let start = tallies.len();
            tallies.extend(concerned.1.topology_keys().into_iter().map(Tally::new));
            (concerned, start..tallies.len())
        });
        Self {
            cross: with_ranges.collect(),
            tallies,
            image_epoch: 0,
            seen: 0,
            slots: Vec::new(),
            groups: HashMap::new(),
            moved: Vec::new(),
            key: Vec::new(),
        }
    }

    /// How many nodes are remembered.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes in what has changed. `pod` is any of the class.
    pub fn refresh(&mut self, pod: &PodInfo, cluster: &Cluster, rng: &mut dyn Rng) {
        let images_moved = self.image_epoch != cluster.image_epoch();
        self.image_epoch = cluster.image_epoch();
        self.slots.resize_with(cluster.slots().len(), Slot::default);
        match cluster.changed_since(self.seen).filter(|_| !images_moved && self.seen > 0) {
            Some(changed) => changed.for_each(|slot| self.look(slot, pod, cluster, rng, false)),
            None => (0..self.slots.len()).for_each(|slot| self.look(slot, pod, cluster, rng, images_moved)),
        }
        self.seen = cluster.generation();
    }

    fn look(&mut self, slot: usize, pod: &PodInfo, cluster: &Cluster, rng: &mut dyn Rng, anyway: bool) {
        let node = &cluster.slots()[slot];
        let known = &mut self.slots[slot];
        if node.generation == known.generation && !anyway {
            return;
        }
        known.generation = node.generation;
        known.verdict = ask(pod, node, cluster);
        let present = node.node.is_some().then_some(node);
        if known.shares.len() != self.tallies.len() {
            known.shares = vec![Share::default(); self.tallies.len()].into();
        }
        let mut moved = std::mem::take(&mut self.moved);
        for ((_, prepared), range) in &self.cross {
            for (number, tally) in range.clone().enumerate() {
                let amount = present.and_then(|node| prepared.contribution(number, node));
                let share = &mut known.shares[tally];
                *share = self.tallies[tally].replace(slot, *share, present, amount, &mut moved);
            }
        }
        self.regroup(slot, rng);
        for other in moved.drain(..) {
            if other != slot {
                self.regroup(other, rng);
            }
        }
        self.moved = moved;
    }

    /// Puts a node into the group where it belongs now: mostly the one where it is, at another place.
    fn regroup(&mut self, slot: usize, rng: &mut dyn Rng) {
        let before = self.slots[slot].place.take();
        let Slot { verdict: Verdict::Feasible { plain, normalized, load }, shares, .. } = &self.slots[slot] else {
            self.leave(before);
            return;
        };
        self.key.clear();
        self.key.extend(normalized);
        self.key.extend(self.tallies.iter().zip(shares).map(|(tally, share)| tally.mark(*share)));
        let rank = (Reverse(*plain), *load, rng.random(), slot);
        if let Some((key, old)) = &before
            && **key == *self.key
            && let Some(group) = self.groups.get_mut(key)
        {
            group.remove(old);
            group.insert(rank);
            self.slots[slot].place = Some((key.clone(), rank));
            return;
        }
        self.leave(before);
        let key = match self.groups.get_key_value(self.key.as_slice()) {
            Some((key, _)) => key.clone(),
            None => GroupKey::from(self.key.as_slice()),
        };
        self.groups.entry(key.clone()).or_default().insert(rank);
        self.slots[slot].place = Some((key, rank));
    }

    /// Takes a node out of the group where it was.
    fn leave(&mut self, place: Option<(GroupKey, Rank)>) {
        let Some((key, rank)) = place else { return };
        let Some(group) = self.groups.get_mut(&key) else { return };
        group.remove(&rank);
        if group.is_empty() {
            self.groups.remove(&key);
        }
    }

    /// The best slot.
    ///
    /// # Errors
    /// Why there is none.
    pub fn best(&self, cluster: &Cluster) -> Result<usize, FitError> {
        let width = self.tallies.len();
        let mut feasible: Vec<(&GroupKey, &BTreeSet<Rank>)> = Vec::with_capacity(self.groups.len());
        let mut standings: Vec<Standing> = Vec::with_capacity(self.groups.len() * width);
        let mut refused = Vec::new();
        for (key, nodes) in &self.groups {
            let start = standings.len();
            let marks = &key[NORMALIZED_SCORE_COUNT..];
            standings.extend(self.tallies.iter().zip(marks).map(|(tally, mark)| tally.standing(*mark)));
            let verdict = self.cross.iter().find_map(|((plugin, prepared), range)| {
                let own = &standings[start + range.start..start + range.end];
                Some((plugin.name(), prepared.filter(own).err()?))
            });
            match verdict {
                None => feasible.push((key, nodes)),
                Some((plugin, rejection)) => {
                    standings.truncate(start);
                    refused.push((plugin, rejection, nodes.len()));
                }
            }
        }
        if feasible.is_empty() {
            return Err(self.error(cluster, &refused));
        }
        let totals = self.totals(&feasible, &standings);
        // Best total first; among equals the lowest load, then chance.
        let firsts = feasible.iter().zip(totals).filter_map(|((_, nodes), total)| {
            let (Reverse(plain), load, tie, slot) = *nodes.first()?;
            Some((Reverse(plain + total), load, tie, slot))
        });
        firsts.min().map(|(.., slot)| slot).ok_or_else(|| self.error(cluster, &refused))
    }

    /// What the groups have beyond the plain scores of their nodes.
    fn totals(&self, feasible: &[(&GroupKey, &BTreeSet<Rank>)], standings: &[Standing]) -> Vec<i64> {
        let width = self.tallies.len();
        let mut totals = vec![0; feasible.len()];
        for (index, plugin) in NORMALIZED_SCORES.iter().enumerate() {
            let mut scores: Vec<i64> = feasible.iter().map(|(key, _)| key[index]).collect();
            plugin.normalize(&mut scores);
            totals.iter_mut().zip(&scores).for_each(|(total, score)| *total += score * plugin.weight());
        }
        for ((plugin, prepared), range) in &self.cross {
            let groups: Vec<Group<'_>> = feasible
                .iter()
                .enumerate()
                .map(|(at, (_, nodes))| Group {
                    tallies: &standings[at * width + range.start..at * width + range.end],
                    nodes: nodes.len(),
                })
                .collect();
            let scores = prepared.score(&groups);
            for (total, score) in totals.iter_mut().zip(scores.into_iter().flatten()) {
                *total += score * plugin.weight();
            }
        }
        totals
    }

    fn error(&self, cluster: &Cluster, refused: &[(&'static str, Rejection, usize)]) -> FitError {
        let mut error = FitError::new(cluster.node_count());
        for slot in &self.slots {
            if let Verdict::Refused(refusal) = &slot.verdict {
                error.add(refusal.0, &refusal.1, 1);
            }
        }
        refused.iter().for_each(|(plugin, rejection, nodes)| error.add(plugin, rejection, *nodes));
        error
    }
}

fn ask(pod: &PodInfo, node: &NodeInfo, cluster: &Cluster) -> Verdict {
    if node.node.is_none() {
        return Verdict::Absent;
    }
    for filter in NODE_FILTERS {
        if let Err(rejection) = filter.filter(pod, node) {
            return Verdict::Refused(Box::new((filter.name(), rejection)));
        }
    }
    Verdict::Feasible {
        plain: PLAIN_SCORES.iter().map(|plugin| plugin.score(pod, node, cluster) * plugin.weight()).sum(),
        normalized: NORMALIZED_SCORES.map(|plugin| plugin.score(pod, node, cluster)),
        load: load(pod, node),
    }
}

/// The share of cpu and memory that would be requested, without rounding, in a form that can be ordered. Scores are whole
/// numbers, so that on large nodes some pods more or less make no difference: among equals the exact load decides.
#[expect(clippy::cast_precision_loss, reason = "shares")]
pub fn load(pod: &PodInfo, node: &NodeInfo) -> u64 {
    let share = |requested: i64, allocatable: i64| requested.max(0) as f64 / allocatable.max(1) as f64;
    let load = share(node.non_zero.milli_cpu + pod.non_zero.milli_cpu, node.allocatable.milli_cpu)
        + share(node.non_zero.memory + pod.non_zero.memory, node.allocatable.memory);
    load.to_bits() // floats that are not negative are ordered as their bits
}
