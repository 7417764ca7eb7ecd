//! A queue of keys that need work: each key waits once, is worked on by one worker at a time, and comes back after a
//! delay when asked to. Mirrors `client-go/util/workqueue` (queue, delaying and rate-limiting in one).
//!
//! Bounded by nature: it holds no key twice, so never more than there are objects.

use clock::SharedClock;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Exponential back-off: the nth failure in a row waits `base * 2^(n-1)`, at most `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first failure.
    pub base: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Backoff {
    /// What controllers use upstream: `DefaultTypedControllerRateLimiter`, 5 ms to 1000 s.
    pub const CONTROLLER: Self = Self { base: Duration::from_millis(5), max: Duration::from_secs(1000) };

    /// The wait after `failures` failures in a row (1 is the first).
    pub fn delay(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.base.checked_mul(factor).map_or(self.max, |delay| delay.min(self.max))
    }
}

/// A queue of keys, shared by cloning. See the module's text.
#[derive(Debug)]
pub struct WorkQueue<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    clock: SharedClock,
    backoff: Backoff,
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    /// Ready keys, in order of arrival.
    ready: VecDeque<T>,
    /// Keys that need work: in `ready`, or being worked on and added again meanwhile.
    dirty: HashSet<T>,
    /// Keys that a worker has.
    processing: HashSet<T>,
    /// Deadlines of delayed keys, on the monotonic clock, with an insertion number to keep them ordered.
    delayed: BTreeSet<(Duration, u64)>,
    delayed_keys: HashMap<u64, T>,
    /// The pending deadline of a key: an earlier one replaces a later one.
    deadlines: HashMap<T, (Duration, u64)>,
    next_number: u64,
    failures: HashMap<T, u32>,
    shut_down: bool,
}

impl<T> Clone for WorkQueue<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T: Clone + Eq + Hash + Send> WorkQueue<T> {
    /// A queue with the back-off that controllers use.
    pub fn new(clock: SharedClock) -> Self {
        Self::with_backoff(clock, Backoff::CONTROLLER)
    }

    /// A queue with its own back-off.
    pub fn with_backoff(clock: SharedClock, backoff: Backoff) -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: HashSet::new(),
            processing: HashSet::new(),
            delayed: BTreeSet::new(),
            delayed_keys: HashMap::new(),
            deadlines: HashMap::new(),
            next_number: 0,
            failures: HashMap::new(),
            shut_down: false,
        };
        Self { shared: Arc::new(Shared { clock, backoff, state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Puts `key` at the end, unless it waits already. A key in work is queued again when it is done.
    pub fn add(&self, key: T) {
        let mut state = self.lock();
        state.add(key);
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Adds `key` after `delay`. The earliest of several pending delays of a key counts.
    pub fn add_after(&self, key: T, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let deadline = self.shared.clock.monotonic() + delay;
        let mut state = self.lock();
        state.delay(key, deadline);
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Counts a failure of `key` and adds it after its back-off. Returns the wait.
    pub fn add_rate_limited(&self, key: T) -> Duration {
        let delay = {
            let mut state = self.lock();
            let failures = state.failures.entry(key.clone()).or_insert(0);
            *failures = failures.saturating_add(1);
            self.shared.backoff.delay(*failures)
        };
        self.add_after(key, delay);
        delay
    }

    /// Ends the failure streak of `key`.
    pub fn forget(&self, key: &T) {
        self.lock().failures.remove(key);
    }

    /// Failures of `key` since it was last forgotten.
    pub fn num_requeues(&self, key: &T) -> u32 {
        self.lock().failures.get(key).copied().unwrap_or(0)
    }

    /// How many keys are ready to be taken.
    pub fn len(&self) -> usize {
        self.lock().ready.len()
    }

    /// Whether no key is ready to be taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next key; it is this worker's until [`WorkQueue::done`]. `None` once the queue is shut down and empty.
    pub async fn next(&self) -> Option<T> {
        loop {
            let changed = self.shared.changed.notified();
            futures::pin_mut!(changed);
            changed.as_mut().enable(); // before looking, so that no change in between is missed
            let now = self.shared.clock.monotonic();
            let wait = {
                let mut state = self.lock();
                state.release_due(now);
                if let Some(key) = state.take() {
                    let more = !state.ready.is_empty() || !state.delayed.is_empty();
                    drop(state);
                    if more {
                        self.shared.changed.notify_one(); // someone else must watch the rest
                    }
                    return Some(key);
                }
                if state.shut_down {
                    return None;
                }
                state.delayed.first().map(|(deadline, _)| deadline.saturating_sub(now))
            };
            match wait {
                None => changed.await,
                Some(wait) => {
                    clock::timeout(&*self.shared.clock, wait, changed).await;
                }
            }
        }
    }

    /// Gives `key` back. If it was added meanwhile, it is ready again.
    pub fn done(&self, key: &T) {
        let mut state = self.lock();
        state.processing.remove(key);
        if state.dirty.contains(key) {
            state.ready.push_back(key.clone());
            drop(state);
            self.shared.changed.notify_one();
        }
    }

    /// Takes no more keys; workers get what is ready, then `None`.
    pub fn shut_down(&self) {
        self.lock().shut_down = true;
        self.shared.changed.notify_waiters();
        self.shared.changed.notify_one(); // for a worker that is about to wait
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Eq + Hash> State<T> {
    fn add(&mut self, key: T) {
        if self.shut_down || !self.dirty.insert(key.clone()) {
            return;
        }
        if !self.processing.contains(&key) {
            self.ready.push_back(key);
        }
    }

    fn delay(&mut self, key: T, deadline: Duration) {
        if self.shut_down {
            return;
        }
        if let Some(&(pending, number)) = self.deadlines.get(&key) {
            if pending <= deadline {
                return;
            }
            self.delayed.remove(&(pending, number));
            self.delayed_keys.remove(&number);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.delayed.insert((deadline, number));
        self.delayed_keys.insert(number, key.clone());
        self.deadlines.insert(key, (deadline, number));
    }

    fn release_due(&mut self, now: Duration) {
        while let Some(&(deadline, number)) = self.delayed.first() {
            if deadline > now {
                return;
            }
            self.delayed.pop_first();
            if let Some(key) = self.delayed_keys.remove(&number) {
                self.deadlines.remove(&key);
                self.add(key);
            }
        }
    }

    fn take(&mut self) -> Option<T> {
        let key = self.ready.pop_front()?;
        self.dirty.remove(&key);
        self.processing.insert(key.clone());
        Some(key)
    }
}

#[cfg(test)]
mod tests;
