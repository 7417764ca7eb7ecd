//! Sums over topology domains, kept up to date node by node: what cross-node plugins know of the cluster.

use crate::cache::HOSTNAME;
use crate::framework::Standing;
use crate::node::NodeInfo;
use foldhash::{HashMap, HashMapExt};
use std::collections::BTreeMap;

/// The mark of nodes that lack the topology key.
const NO_DOMAIN: i64 = i64::MIN;

/// What one node is to a tally.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Its domain; `None`: it lacks the topology key, or there is no node.
    domain: Option<usize>,
    /// What it adds; `None`: it does not count.
    amount: Option<i64>,
}

#[derive(Debug, Default)]
struct Domain {
    value: String,
    sum: i64,
    /// Nodes that count.
    counting: usize,
    /// All of its nodes, by slot. Kept only where every node is a domain of its own.
    members: Vec<usize>,
    nodes: usize,
}

/// The sums of one topology key.
#[derive(Debug)]
pub struct Tally {
    key: String,
    /// Nodes are told apart by the sum of their domain instead of by the domain: where every node is one, those with equal
    /// sums are alike.
    by_sum: bool,
    domains: Vec<Domain>,
    free: Vec<usize>,
    ids: HashMap<String, usize>,
    /// How many domains that count have each sum.
    sums: BTreeMap<i64, usize>,
    counting: usize,
    total: i64,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            by_sum: key == HOSTNAME,
            domains: Vec::new(),
            free: Vec::new(),
            ids: HashMap::new(),
            sums: BTreeMap::new(),
            counting: 0,
            total: 0,
        }
    }

    /// Takes in what the node in `slot` adds from now on, instead of `old`. Slots whose nodes have to be told apart
    /// otherwise than before are put into `moved`, whether or not `slot` is among them.
    pub fn replace(
        &mut self,
        slot: usize,
        old: Share,
        node: Option<&NodeInfo>,
        amount: Option<i64>,
        moved: &mut Vec<usize>,
    ) -> Share {
        let value = node.and_then(|node| node.label(&self.key));
        let known = value.and_then(|value| self.ids.get(value).copied());
        if value.is_some() == old.domain.is_some() && known == old.domain {
            if amount != old.amount {
                self.add(old, -1);
                let new = Share { domain: known, amount };
                self.add(new, 1);
                self.tell(known, moved);
                return new;
            }
            return old;
        }
        self.add(old, -1);
        self.leave(slot, old.domain);
        self.tell(old.domain, moved);
        let domain = value.map(|value| self.join(slot, value));
        let new = Share { domain, amount };
        self.add(new, 1);
        self.tell(domain, moved);
        new
    }

    /// What tells a node of this share apart from others.
    pub fn mark(&self, share: Share) -> i64 {
        match share.domain {
            None => NO_DOMAIN,
            Some(domain) if self.by_sum => self.domains[domain].sum,
            Some(domain) => i64::try_from(domain).unwrap_or(i64::MAX),
        }
    }

    /// How the tally stands for nodes of this mark.
    pub fn standing(&self, mark: i64) -> Standing {
        let domain = usize::try_from(mark).ok().filter(|_| !self.by_sum);
        let here = match domain {
            _ if mark == NO_DOMAIN => None,
            Some(domain) => self.domains.get(domain).map(|domain| domain.sum),
            None => Some(mark),
        };
        let min = self.sums.first_key_value().map_or(0, |(sum, _)| *sum);
        Standing { here, domain: domain.unwrap_or(0), min, domains: self.counting, total: self.total }
    }

    fn tell(&self, domain: Option<usize>, moved: &mut Vec<usize>) {
        if let Some(domain) = domain.filter(|_| self.by_sum) {
            moved.extend(&self.domains[domain].members);
        }
    }

    /// Adds a share, or takes it away again.
    fn add(&mut self, share: Share, sign: i64) {
        let (Some(id), Some(amount)) = (share.domain, share.amount) else { return };
        let domain = &mut self.domains[id];
        if domain.counting > 0 {
            forget(&mut self.sums, domain.sum);
        } else {
            self.counting += 1;
        }
        domain.sum += sign * amount;
        self.total += sign * amount;
        if sign > 0 {
            domain.counting += 1
        } else {
            domain.counting -= 1
        }
        if domain.counting > 0 {
            *self.sums.entry(domain.sum).or_default() += 1;
        } else {
            self.counting -= 1;
        }
    }

    fn join(&mut self, slot: usize, value: &str) -> usize {
        let id = match self.ids.get(value) {
            Some(id) => *id,
            None => {
                let id = self.free.pop().unwrap_or_else(|| {
                    self.domains.push(Domain::default());
                    self.domains.len() - 1
                });
                self.domains[id] = Domain { value: value.to_owned(), ..Domain::default() };
                self.ids.insert(value.to_owned(), id);
                id
            }
        };
        self.domains[id].nodes += 1;
        if self.by_sum {
            self.domains[id].members.push(slot);
        }
        id
    }

    fn leave(&mut self, slot: usize, domain: Option<usize>) {
        let Some(id) = domain else { return };
        let domain = &mut self.domains[id];
        domain.nodes -= 1;
        domain.members.retain(|member| *member != slot);
        if domain.nodes == 0 {
            self.ids.remove(&domain.value);
            self.free.push(id);
        }
    }
}

fn forget(sums: &mut BTreeMap<i64, usize>, sum: i64) {
    if let Some(count) = sums.get_mut(&sum) {
        *count -= 1;
        if *count == 0 {
            sums.remove(&sum);
        }
    }
}
