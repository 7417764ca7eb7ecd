//! Whose turn it is when more is asked than can be done at once (upstream: API Priority and Fairness, with its default
//! levels and flow schemas).
//!
//! A request takes a seat, or waits for one in a bounded queue, or is told to come back. FlowSchemas say which level of
//! priority a request has (`flows.rs`), PriorityLevelConfigurations which share of the seats a level is assured, which of
//! them it lends, how much it may have of others', and whether its requests may wait (`levels.rs`). What is free beyond
//! that goes to the most urgent level. Within a level flows take turns, so that one who floods the server waits behind
//! himself. What not: limits that follow the demand of the last ten seconds; what is lent is lent at once.

mod dangling;
pub mod flows;
mod levels;
mod rules;

pub(crate) use dangling::run as keep_statuses;
use levels::{Limits, Plan};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a request may wait for its turn before it is told to come back later.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A level of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Never waits.
    Exempt,
    /// Takes one of its seats: the level at this place.
    Seats(usize),
}

/// Requests of one level that take turns with those of other flows.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// The name of the flow schema.
    pub schema: &'a str,
    /// The user or the namespace.
    pub of: &'a str,
}

/// Nobody was free in time, or too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The seats for one kind of request. Shared by cloning.
#[derive(Clone, Debug)]
pub struct Turns {
    seats: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Of the free ones: those that levels keep for themselves.
    kept: usize,
    /// Requests that wait, of all levels.
    waiting: usize,
    /// By place.
    levels: Vec<Queue>,
    /// Places, most urgent first.
    order: Vec<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    limits: Limits,
    seated: usize,
    waiting: usize,
    /// Flows that wait, in the order of their turns.
    order: VecDeque<Arc<str>>,
    by_flow: HashMap<Arc<str>, VecDeque<oneshot::Sender<()>>>,
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
    /// So many seats, all for whom no schema fits until [`Turns::deal`] says otherwise.
    pub fn new(seats: usize) -> Self {
        let state = State { free: seats, kept: 0, waiting: 0, levels: Vec::new(), order: Vec::new() };
        let turns = Self { seats, state: Arc::new(Mutex::new(state)) };
        turns.deal(&Plan::new(&[], &Plan::default()));
        turns
    }

    /// Deals the seats out as the objects now have it. Who has a seat keeps it, who waits may go on waiting.
    pub(self) fn deal(&self, plan: &Plan) {
        let mut state = self.lock();
        for (at, limits) in plan.limits(self.seats).into_iter().enumerate() {
            if at >= state.levels.len() {
                state.levels.push(Queue::default());
            }
            // of a level that is gone nothing is kept any more
            let limits = limits.unwrap_or(Limits { assured: 0, kept: 0, ..state.levels[at].limits });
            state.levels[at].limits = limits;
        }
        state.order = plan.order();
        state.kept = state.levels.iter().map(|queue| queue.limits.kept.saturating_sub(queue.seated)).sum();
        state.call_next();
    }

    /// Takes a seat for a request, waiting for it if need be.
    ///
    /// # Errors
    /// [`TooMany`]: too many wait already, or it took too long.
    pub async fn take(&self, level: Level, flow: Flow<'_>, clock: &dyn clock::Clock) -> Result<Seat, TooMany> {
        let Level::Seats(level) = level else { return Ok(Seat { held: None }) };
        let mut waiting = match self.queue(level, flow)? {
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
    fn queue(&self, level: usize, flow: Flow<'_>) -> Result<Option<oneshot::Receiver<()>>, TooMany> {
        let mut state = self.lock();
        // Those of other levels that wait could not have it: they are called as soon as they could.
        if state.levels[level].waiting == 0 && state.may_seat(level) {
            state.seat(level);
            return Ok(None);
        }
        let queue = &mut state.levels[level];
        if queue.waiting >= queue.limits.waiting {
            return Err(TooMany);
        }
        let key: Arc<str> = format!("{}/{}", flow.schema, flow.of).into();
        let own = queue.by_flow.get(&key).map_or(0, VecDeque::len);
        if own >= queue.limits.waiting_per_flow {
            return Err(TooMany);
        }
        let (call, called) = oneshot::channel();
        if own == 0 {
            queue.order.push_back(key.clone());
        }
        queue.by_flow.entry(key).or_default().push_back(call);
        queue.waiting += 1;
        state.waiting += 1;
        Ok(Some(called))
    }

    fn free(&self, level: usize) {
        let mut state = self.lock();
        state.free += 1;
        let queue = &mut state.levels[level];
        queue.seated -= 1;
        let is_kept = queue.seated < queue.limits.kept;
        state.kept += usize::from(is_kept);
        state.call_next();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a request of this level may have a seat now: one of its own, or one that nobody keeps.
    fn may_seat(&self, level: usize) -> bool {
        let Queue { limits, seated, .. } = &self.levels[level];
        self.free > 0 && *seated < limits.most && (*seated < limits.kept || self.free > self.kept)
    }

    fn seat(&mut self, level: usize) {
        let queue = &mut self.levels[level];
        let was_kept = queue.seated < queue.limits.kept;
        queue.seated += 1;
        self.kept -= usize::from(was_kept);
        self.free -= 1;
    }

    /// Gives free seats to those whose turn it is.
    fn call_next(&mut self) {
        while self.waiting > 0 && self.free > 0 {
            let could = |at: &&usize| self.levels[**at].waiting > 0 && self.may_seat(**at);
            let below = |at: &&usize| could(at) && self.levels[**at].seated < self.levels[**at].limits.assured;
            let next = self.order.iter().find(below).or_else(|| self.order.iter().find(could));
            let Some(level) = next.copied() else { return };
            let waiting = self.levels[level].waiting;
            let called = self.levels[level].call();
            self.waiting -= waiting - self.levels[level].waiting;
            if called {
                self.seat(level);
            }
        }
    }
}

impl Queue {
    /// Calls the next; false when that one has gone away meanwhile.
    fn call(&mut self) -> bool {
        let Some(flow) = self.order.pop_front() else { return false };
        let Some(calls) = self.by_flow.get_mut(&flow) else { return false };
        let call = calls.pop_front();
        if calls.is_empty() {
            self.by_flow.remove(&flow);
        } else {
            self.order.push_back(flow);
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
