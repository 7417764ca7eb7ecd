//! Who watches a resource, and who of them wants to be told of a change.

use super::queue::{Changes, Feeder, queue};
use super::{Change, Interest};
use foldhash::HashMap;
use std::sync::Arc;

/// The open watches, those for one value of a field apart: 5,000 kubelets watch the pods of their nodes, and a change
/// of a pod must not look at each of them.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    broad: Vec<(Interest, Feeder)>,
    /// By field, then by value.
    narrow: HashMap<Box<str>, ByValue>,
}

/// The watches for one value of a field each.
type ByValue = HashMap<Box<str>, Vec<(Interest, Feeder)>>;

impl Watchers {
    /// Begins a watch.
    pub(super) fn add(&mut self, interest: Interest) -> Changes {
        let (feeder, changes) = queue();
        match interest.field.clone() {
            None => push(&mut self.broad, interest, feeder),
            Some((field, value)) => {
                let by_value = self.narrow.entry(field).or_default();
                if by_value.len() == by_value.capacity() {
                    by_value.retain(|_, watchers| watchers.iter().any(is_open));
                    by_value.reserve(by_value.len());
                }
                push(by_value.entry(value).or_default(), interest, feeder);
            }
        }
        changes
    }

    /// How many are remembered, open or not.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.broad.len() + self.narrow.values().flat_map(HashMap::values).map(Vec::len).sum::<usize>()
    }

    /// Hands a change to those who want it. Who does not take it is cut off; who has gone is forgotten.
    pub(super) fn publish(&mut self, change: &Arc<Change>) {
        offer(&mut self.broad, change);
        for (field, by_value) in &mut self.narrow {
            let now = change.entry.header.field(field);
            let before =
                change.old.as_ref().and_then(|old| old.header.field(field)).filter(|value| Some(*value) != now);
            for value in [now, before].into_iter().flatten() {
                if let Some(watchers) = by_value.get_mut(value) {
                    offer(watchers, change);
                    if watchers.is_empty() {
                        by_value.remove(value);
                    }
                }
            }
        }
    }
}

fn is_open((_, watcher): &(Interest, Feeder)) -> bool {
    watcher.is_open()
}

/// Adds a watcher. Before the list grows, those are forgotten who have gone: changes do that too, but where nothing
/// changes, clients that come and go would fill the memory. Room for twice as many keeps it cheap.
fn push(watchers: &mut Vec<(Interest, Feeder)>, interest: Interest, feeder: Feeder) {
    if watchers.len() == watchers.capacity() {
        watchers.retain(is_open);
        watchers.reserve(watchers.len().max(1));
    }
    watchers.push((interest, feeder));
}

fn offer(watchers: &mut Vec<(Interest, Feeder)>, change: &Arc<Change>) {
    watchers.retain(
        |(interest, watcher)| {
            if interest.wants(change) { watcher.offer(change) } else { watcher.is_open() }
        },
    );
}
