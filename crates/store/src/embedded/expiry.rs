//! Which values are to be deleted when. Pure: what time it is comes from outside.

use foldhash::HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The deadlines of those values that have one, in seconds of the Unix epoch.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    by_key: HashMap<Arc<str>, u64>,
    by_deadline: BTreeSet<(u64, Arc<str>)>,
}

impl Expiry {
    /// Whether the key's value has a deadline.
    pub(super) fn has(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// Sets or takes away the deadline of a key's value.
    pub(super) fn set(&mut self, key: &Arc<str>, deadline: Option<u64>) {
        let old = match deadline {
            Some(deadline) => self.by_key.insert(key.clone(), deadline),
            None => self.by_key.remove(key),
        };
        if let Some(old) = old {
            self.by_deadline.remove(&(old, key.clone()));
        }
        if let Some(deadline) = deadline {
            self.by_deadline.insert((deadline, key.clone()));
        }
    }

    /// The first deadline.
    pub(super) fn next(&self) -> Option<u64> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// The keys whose deadline has come, at most `limit` of them.
    pub(super) fn due(&self, now: u64, limit: usize) -> Vec<Arc<str>> {
        let due = self.by_deadline.iter().take_while(|(deadline, _)| *deadline <= now).take(limit);
        due.map(|(_, key)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_deadline_takes_the_place_of_an_earlier_one() {
        let mut expiry = Expiry::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        expiry.set(&a, Some(10));
        expiry.set(&b, Some(20));
        expiry.set(&a, Some(30));
        assert_eq!(expiry.next(), Some(20));
        assert_eq!(expiry.due(25, 10), vec![b.clone()]);
        expiry.set(&b, None);
        assert!(!expiry.has("b") && expiry.has("a"));
        assert_eq!(expiry.due(29, 10), Vec::<Arc<str>>::new());
        assert_eq!(expiry.due(30, 10), vec![a]);
    }
}
