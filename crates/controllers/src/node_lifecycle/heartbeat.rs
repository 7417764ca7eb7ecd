//! When each node's lease was last seen to be renewed, by the controller's own clock: nodes' clocks may be wrong.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bounded by the number of nodes.
#[derive(Debug, Default)]
pub struct Heartbeats {
    seen: Mutex<HashMap<String, Seen>>,
}

#[derive(Debug)]
struct Seen {
    renew_time: Option<jiff::Timestamp>,
    at: Duration,
}

impl Heartbeats {
    /// Notes what a lease says at the moment `at`. True when this ends a silence that somebody may have acted upon.
    pub fn renewed(&self, node: &str, renew_time: Option<jiff::Timestamp>, at: Duration) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(node) {
            Some(known) if known.renew_time == renew_time => false,
            Some(known) => {
                let silent = at.saturating_sub(known.at);
                *known = Seen { renew_time, at };
                silent >= super::plan::GRACE
            }
            None => {
                seen.insert(node.to_owned(), Seen { renew_time, at });
                true
            }
        }
    }

    /// How long the node has been silent at the moment `now`; one never heard of begins its grace period with this.
    pub fn silent_for(&self, node: &str, now: Duration) -> Duration {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.entry(node.to_owned()).or_insert(Seen { renew_time: None, at: now });
        now.saturating_sub(known.at)
    }

    /// Forgets a node that is gone.
    pub fn forget(&self, node: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
    }
}
