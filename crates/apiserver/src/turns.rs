//! Whose turn it is when more is asked than can be done at once (upstream: API Priority and Fairness, with its default
//! levels and flow schemas).
//!
//! A request takes a seat, or waits for one in a bounded queue, or is told to come back. Each level of priority is assured
//! a share of the seats; what is free beyond that goes to the most urgent level. Within a level users take turns, so that
//! one who floods the server waits behind himself. FlowSchemas say which level a request has (`flows.rs`). What not: the
//! seats of a level are not those of its PriorityLevelConfiguration.

pub mod flows;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a request may wait for its turn before it is told to come back later.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Requests of one user that may wait: upstream deals each flow six queues of fifty.
const MAX_WAITING_PER_USER: usize = 300;
/// Requests of one level that may wait: upstream's 128 queues of fifty.
const MAX_WAITING_PER_LEVEL: usize = 6400;

/// Levels of priority, most urgent first; upstream's mandatory and suggested ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `system:masters`: never waits.
    Exempt,
    /// Heartbeats and statuses of nodes.
    NodeHigh,
    /// Leader election of system components.
    LeaderElection,
    /// Everything else of nodes.
    System,
    /// Scheduler, controller manager and controllers.
    WorkloadHigh,
    /// Other service accounts.
    WorkloadLow,
    /// Everyone else.
    GlobalDefault,
}

/// The levels that wait, with upstream's shares (`nominalConcurrencyShares`).
const SHARES: [(Level, usize); 6] = [
    (Level::NodeHigh, 40),
    (Level::LeaderElection, 10),
    (Level::System, 30),
    (Level::WorkloadHigh, 40),
    (Level::WorkloadLow, 100),
    (Level::GlobalDefault, 20),
];

/// Nobody was free in time, or too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The seats for one kind of request. Shared by cloning.
#[derive(Clone, Debug)]
pub struct Turns {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// In the order of [`SHARES`].
    levels: [Queue; SHARES.len()],
}

#[derive(Debug, Default)]
struct Queue {
    assured: usize,
    seated: usize,
    waiting: usize,
    /// Users who wait, in the order of their turns.
    order: VecDeque<Arc<str>>,
    by_user: HashMap<Arc<str>, VecDeque<oneshot::Sender<()>>>,
}

/// A seat; it is free again when this is dropped.
#[derive(Debug)]
pub struct Seat {
    held: Option<(Turns, usize)>,
}

/// A request that waits. When it is given up, a seat that it was just given is free again.
struct Waiting {
    turns: Turns,
    level: usize,
    called: oneshot::Receiver<()>,
    done: bool,
}

impl Turns {
    /// So many seats, dealt out by upstream's shares.
    pub fn new(seats: usize) -> Self {
        let all: usize = SHARES.iter().map(|(_, shares)| shares).sum();
        let levels = SHARES.map(|(_, shares)| Queue { assured: (seats * shares / all).max(1), ..Queue::default() });
        Self { state: Arc::new(Mutex::new(State { free: seats, levels })) }
    }

    /// Takes a seat for a request of `user`, waiting for it if need be.
    ///
    /// # Errors
    /// [`TooMany`]: too many wait already, or it took too long.
    pub async fn take(&self, level: Level, user: &str, clock: &dyn clock::Clock) -> Result<Seat, TooMany> {
        let Some(level) = SHARES.iter().position(|(one, _)| *one == level) else { return Ok(Seat { held: None }) };
        let mut waiting = match self.queue(level, user)? {
            None => return Ok(Seat { held: Some((self.clone(), level)) }),
            Some(called) => Waiting { turns: self.clone(), level, called, done: false },
        };
        match clock::timeout(clock, MAX_WAIT, &mut waiting.called).await {
            Some(Ok(())) => {
                waiting.done = true;
                Ok(Seat { held: Some((self.clone(), level)) })
            }
            _ => Err(TooMany),
        }
    }

    /// A seat at once (`None`), or a place in the queue.
    fn queue(&self, level: usize, user: &str) -> Result<Option<oneshot::Receiver<()>>, TooMany> {
        let mut state = self.lock();
        let nobody_waits = state.levels.iter().all(|queue| queue.waiting == 0);
        if state.free > 0 && nobody_waits {
            state.free -= 1;
            state.levels[level].seated += 1;
            return Ok(None);
        }
        let queue = &mut state.levels[level];
        let own = queue.by_user.get(user).map_or(0, VecDeque::len);
        if queue.waiting >= MAX_WAITING_PER_LEVEL || own >= MAX_WAITING_PER_USER {
            return Err(TooMany);
        }
        let (call, called) = oneshot::channel();
        if own == 0 {
            let user: Arc<str> = user.into();
            queue.order.push_back(user.clone());
            queue.by_user.insert(user, VecDeque::from([call]));
        } else if let Some(calls) = queue.by_user.get_mut(user) {
            calls.push_back(call);
        }
        queue.waiting += 1;
        Ok(Some(called))
    }

    fn free(&self, level: usize) {
        let mut state = self.lock();
        state.free += 1;
        state.levels[level].seated -= 1;
        state.call_next();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives free seats to those whose turn it is.
    fn call_next(&mut self) {
        while self.free > 0 {
            let waits = |queue: &Queue| queue.waiting > 0;
            let below = self.levels.iter().position(|queue| waits(queue) && queue.seated < queue.assured);
            let Some(level) = below.or_else(|| self.levels.iter().position(waits)) else { return };
            if self.levels[level].call() {
                self.free -= 1;
                self.levels[level].seated += 1;
            }
        }
    }
}

impl Queue {
    /// Calls the next; false when that one has gone away meanwhile.
    fn call(&mut self) -> bool {
        let Some(user) = self.order.pop_front() else { return false };
        let Some(calls) = self.by_user.get_mut(&user) else { return false };
        let call = calls.pop_front();
        if calls.is_empty() {
            self.by_user.remove(&user);
        } else {
            self.order.push_back(user);
        }
        self.waiting -= usize::from(call.is_some());
        call.is_some_and(|call| call.send(()).is_ok())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((turns, level)) = self.held.take() {
            turns.free(level);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.called.close();
        if !self.done && self.called.try_recv().is_ok() {
            self.turns.free(self.level);
        }
    }
}

#[cfg(test)]
mod tests;
