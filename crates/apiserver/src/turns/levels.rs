//! What PriorityLevelConfigurations say of levels: shares of the seats, what is lent and borrowed, who may wait
//! (`finishQueueSetReconfigsLocked` in `k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go`).
//!
//! A level has a place, which it keeps while its object is there, so that a request which was told its place a moment ago
//! still finds it. What not: seats of the exempt level, which takes as many as it wants.

use super::Level;
use super::rules::text;
use serde_json::Value;
use std::sync::Arc;

/// The place of requests that no schema fits: there are none once a cluster has its mandatory objects.
pub(super) const FALLBACK: usize = 0;
/// Levels that have seats of their own; those beyond, by name, have the fallback's. Each free seat looks at all of them.
const MAX_LEVELS: usize = 128;
/// Requests of one level that may wait, whatever its object says: upstream's 128 queues of fifty for the largest of its own.
const MAX_WAITING: usize = 6400;
/// The levels of a new cluster, most urgent first: whose turn it is when seats are to be had that nobody is assured. Those
/// of administrators come after them, and what is for everything else last.
const URGENCY: [&str; 5] = ["node-high", "leader-election", "system", "workload-high", "workload-low"];
const LAST: [&str; 2] = ["global-default", "catch-all"];

/// The places of levels, as the objects of one moment have it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// A place that is not given to anyone now is empty; its last requests still have their seats.
    places: Vec<Option<Share>>,
}

/// What a level is to have.
#[derive(Debug)]
pub(super) struct Share {
    name: String,
    shares: u64,
    lendable_percent: u64,
    borrowing_percent: Option<u64>,
    queuing: Option<Queuing>,
}

#[derive(Clone, Copy, Debug)]
struct Queuing {
    queues: usize,
    hand_size: usize,
    length: usize,
}

/// The same in seats of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// Seats that it has before others have more than theirs.
    pub assured: usize,
    /// Those among them that nobody else may have meanwhile.
    pub kept: usize,
    /// The most that it may have.
    pub most: usize,
    /// Requests of one flow that may wait: upstream deals a flow so many queues.
    pub waiting_per_flow: usize,
    /// Requests that may wait.
    pub waiting: usize,
}

impl Plan {
    /// Places for these levels: those they had, or free ones.
    pub fn new(levels: &[Arc<Value>], before: &Self) -> Self {
        let mut shares: Vec<Share> = levels.iter().filter_map(|level| share(level)).collect();
        shares.sort_by(|a, b| a.name.cmp(&b.name));
        let fallback = Share {
            name: String::new(),
            shares: 0,
            lendable_percent: 0,
            borrowing_percent: None,
            queuing: Some(Queuing { queues: 128, hand_size: 6, length: 50 }),
        };
        let mut places: Vec<Option<Share>> = vec![Some(fallback)];
        places.resize_with(before.places.len().max(1), || None);
        let (old, new): (Vec<Share>, Vec<Share>) =
            shares.into_iter().partition(|share| before.place(&share.name).is_some());
        for share in old {
            let at = before.place(&share.name).unwrap_or(FALLBACK);
            places[at] = Some(share);
        }
        // those that were left just now may still have requests on their way
        let free = (1..MAX_LEVELS).filter(|at| before.places.get(*at).is_none_or(Option::is_none));
        let free: Vec<usize> = free.filter(|at| places.get(*at).is_none_or(Option::is_none)).collect();
        for (share, at) in new.into_iter().zip(free) {
            if at >= places.len() {
                places.resize_with(at + 1, || None);
            }
            places[at] = Some(share);
        }
        Self { places }
    }

    fn place(&self, name: &str) -> Option<usize> {
        let found = self.places.iter().skip(1).position(|share| share.as_ref().is_some_and(|share| share.name == name));
        found.map(|at| at + 1)
    }

    /// The level of this object.
    pub fn level(&self, name: &str, object: &Value) -> Level {
        if object["spec"]["type"] == "Exempt" {
            return Level::Exempt;
        }
        Level::Seats(self.place(name).unwrap_or(FALLBACK))
    }

    /// What each place has of so many seats; nothing new for one that is not given to anyone.
    pub fn limits(&self, seats: usize) -> Vec<Option<Limits>> {
        let all: u64 = self.places.iter().flatten().map(|share| share.shares).sum();
        self.places.iter().map(|share| share.as_ref().map(|share| share.limits(seats, all.max(1)))).collect()
    }

    /// All places, most urgent first.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_by_key(|at| self.places[*at].as_ref().map_or((usize::MAX, ""), |share| (share.rank(), &share.name)));
        order
    }
}

impl Share {
    fn rank(&self) -> usize {
        let last = LAST.iter().position(|name| *name == self.name).map(|at| URGENCY.len() + 1 + at);
        last.or_else(|| URGENCY.iter().position(|name| *name == self.name)).unwrap_or(URGENCY.len())
    }

    fn limits(&self, seats: usize, all: u64) -> Limits {
        let percent = |of: u64, percent: u64| (of * percent + 50) / 100;
        let nominal = (seats as u64 * self.shares).div_ceil(all);
        // rounded down, so that all levels together keep no more than there is
        let kept = seats as u64 * self.shares * (100 - self.lendable_percent.min(100)) / (100 * all);
        let borrowed = self.borrowing_percent.map_or(seats as u64, |most| percent(nominal, most));
        let queuing = self.queuing.unwrap_or(Queuing { queues: 0, hand_size: 0, length: 0 });
        let waiting = |queues: usize| queues.saturating_mul(queuing.length).min(MAX_WAITING);
        Limits {
            assured: nominal as usize,
            kept: kept as usize,
            // one that has none may still serve one request at a time, as upstream's do
            most: ((nominal + borrowed) as usize).clamp(1, seats.max(1)),
            waiting_per_flow: waiting(queuing.hand_size),
            waiting: waiting(queuing.queues),
        }
    }
}

/// What an object says; nothing for the exempt one.
fn share(level: &Value) -> Option<Share> {
    let limited = level["spec"].get("limited")?;
    // i32s that validation wants at 0 or more
    let number = |value: &Value| value.as_u64().map(|n| n.min(i32::MAX as u64));
    let count = |value: &Value| number(value).unwrap_or(0) as usize;
    let queuing = limited["limitResponse"].get("queuing").map(|queuing| Queuing {
        queues: count(&queuing["queues"]),
        hand_size: count(&queuing["handSize"]),
        length: count(&queuing["queueLengthLimit"]),
    });
    Some(Share {
        name: text(&level["metadata"]["name"]),
        shares: number(&limited["nominalConcurrencyShares"]).unwrap_or(0),
        lendable_percent: number(&limited["lendablePercent"]).unwrap_or(0),
        borrowing_percent: number(&limited["borrowingLimitPercent"]),
        queuing,
    })
}
