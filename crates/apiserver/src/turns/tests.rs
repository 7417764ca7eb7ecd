//! Turns, step by step: every future is polled by hand, so that nothing depends on time.

use super::*;
use clock::ManualClock;
use futures::FutureExt;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;

type Pending<'a> = Pin<Box<dyn Future<Output = Result<Seat, TooMany>> + 'a>>;

fn manual() -> ManualClock {
    ManualClock::new(jiff::Timestamp::UNIX_EPOCH)
}

/// The levels of a new cluster and some seats of theirs.
struct Cluster {
    turns: Turns,
    plan: Plan,
    objects: Vec<Arc<Value>>,
}

impl Cluster {
    fn new(seats: usize) -> Self {
        let mut cluster = Self { turns: Turns::new(seats), plan: Plan::default(), objects: Vec::new() };
        let all = registry::bootstrap::flow_control().into_iter();
        all.filter(|object| object["kind"] == "PriorityLevelConfiguration").for_each(|level| cluster.put(level));
        cluster
    }

    /// Adds an object, or puts it in the place of that of its name.
    fn put(&mut self, level: Value) {
        self.objects.retain(|one| one["metadata"]["name"] != level["metadata"]["name"]);
        self.objects.push(Arc::new(level));
        self.deal();
    }

    fn deal(&mut self) {
        self.plan = Plan::new(&self.objects, &self.plan);
        self.turns.deal(&self.plan);
    }

    fn level(&self, name: &str) -> Level {
        let object = self.objects.iter().find(|one| one["metadata"]["name"] == name).expect("a level");
        self.plan.level(name, object)
    }

    fn seats_held(&self) -> usize {
        self.turns.lock().levels.iter().map(|queue| queue.seated).sum()
    }
}

fn limited(name: &str, limited: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}})
}

fn of(user: &str) -> Flow<'_> {
    Flow { schema: "a", of: user }
}

fn wait<'a>(turns: &'a Turns, clock: &'a ManualClock, level: Level, user: &'a str) -> Pending<'a> {
    let mut pending: Pending<'a> = Box::pin(turns.take(level, of(user), clock));
    assert!(pending.as_mut().now_or_never().is_none(), "{user} should wait");
    pending
}

fn seat(turns: &Turns, clock: &ManualClock, level: Level) -> Seat {
    turns.take(level, of("first"), clock).now_or_never().expect("at once").expect("a seat")
}

fn is_refused(turns: &Turns, clock: &ManualClock, level: Level) -> bool {
    turns.take(level, of("one"), clock).now_or_never().is_some_and(|taken| taken.is_err())
}

fn has_seat(pending: &mut Pending<'_>) -> Option<Seat> {
    pending.as_mut().now_or_never().map(|taken| taken.expect("a seat"))
}

#[test]
fn system_components_go_first_and_users_take_turns() {
    let (cluster, clock) = (Cluster::new(1), manual());
    let turns = &cluster.turns;
    let (plain, urgent) = (cluster.level("global-default"), cluster.level("node-high"));
    let first = seat(turns, &clock, plain);
    let mut flood: Vec<Pending<'_>> = (0..3).map(|_| wait(turns, &clock, plain, "flood")).collect();
    let mut other = wait(turns, &clock, plain, "other");
    let mut node = wait(turns, &clock, urgent, "node");
    drop(first);
    let heartbeat = has_seat(&mut node).expect("the node is first");
    assert!(flood.iter_mut().all(|one| has_seat(one).is_none()));
    drop(heartbeat);
    let second = has_seat(&mut flood[0]).expect("who came first");
    drop(second);
    let third = has_seat(&mut other).expect("the other user, though two of the flood came before");
    drop(third);
    assert!(has_seat(&mut flood[1]).is_some());
}

#[test]
fn each_level_has_seats_that_are_assured() {
    // 245 shares: a seat each
    let (cluster, clock) = (Cluster::new(245), manual());
    let turns = &cluster.turns;
    let [high, plain] = ["workload-high", "global-default"].map(|name| cluster.level(name));
    // What levels do not lend stays free: 5 + 20 + 30 + 10 + 10 + 10 of the others.
    let mut taken: Vec<Seat> = (0..160).map(|_| seat(turns, &clock, high)).collect();
    let mut urgent = wait(turns, &clock, high, "controller");
    taken.extend((0..10).map(|_| seat(turns, &clock, plain)));
    let mut other = wait(turns, &clock, plain, "user");
    taken.swap_remove(0);
    assert!(has_seat(&mut urgent).is_none(), "it has more than its share");
    assert!(has_seat(&mut other).is_some(), "the other has less");
}

#[test]
fn too_many_are_told_to_come_back_and_masters_never_wait() {
    let (cluster, clock) = (Cluster::new(1), manual());
    let turns = &cluster.turns;
    let plain = cluster.level("global-default");
    let _first = seat(turns, &clock, plain);
    let waiting: Vec<Pending<'_>> = (0..300).map(|_| wait(turns, &clock, plain, "flood")).collect();
    let refused = turns.take(plain, of("flood"), &clock).now_or_never();
    assert_eq!(refused.expect("at once").err(), Some(TooMany));
    let other = wait(turns, &clock, plain, "other");
    assert!(turns.take(Level::Exempt, of("admin"), &clock).now_or_never().is_some_and(|taken| taken.is_ok()));
    drop((waiting, other));
}

#[test]
fn who_goes_away_or_waits_too_long_leaves_no_seat_behind() {
    let (cluster, clock) = (Cluster::new(1), manual());
    let turns = &cluster.turns;
    let plain = cluster.level("global-default");
    let first = seat(turns, &clock, plain);
    let gone = wait(turns, &clock, plain, "a");
    let mut late = wait(turns, &clock, plain, "b");
    let called = wait(turns, &clock, plain, "c");
    drop(gone);
    clock.advance(MAX_WAIT);
    assert_eq!(late.as_mut().now_or_never().map(|taken| taken.err()), Some(Some(TooMany)));
    drop(late);
    drop(first); // calls c
    drop(called); // which goes away before it looks
    assert!(turns.take(plain, of("d"), &clock).now_or_never().is_some_and(|taken| taken.is_ok()));
}

#[test]
fn levels_of_an_administrators_have_seats_of_their_own() {
    let (mut cluster, clock) = (Cluster::new(245), manual());
    let reject = json!({"type": "Reject"});
    cluster.put(limited(
        "few",
        json!({"nominalConcurrencyShares": 1, "borrowingLimitPercent": 50, "limitResponse": reject}),
    ));
    cluster.put(limited(
        "none",
        json!({"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": reject}),
    ));
    let queuing = json!({"queues": 4, "handSize": 2, "queueLengthLimit": 3});
    let queue = json!({"type": "Queue", "queuing": queuing});
    cluster.put(limited(
        "queue",
        json!({"nominalConcurrencyShares": 1, "borrowingLimitPercent": 0, "limitResponse": queue}),
    ));
    let (few, none, queue) = (cluster.level("few"), cluster.level("none"), cluster.level("queue"));
    let turns = &cluster.turns;
    // one of its own, and half of one, which is one too
    let mut held = vec![seat(turns, &clock, few), seat(turns, &clock, few)];
    assert!(is_refused(turns, &clock, few));
    held.pop();
    held.push(seat(turns, &clock, few));
    held.push(seat(turns, &clock, none));
    assert!(is_refused(turns, &clock, none));
    // 1 of 247 shares of 245 seats is a seat
    held.push(seat(turns, &clock, queue));
    let _waiting: Vec<Pending<'_>> = (0..6).map(|_| wait(turns, &clock, queue, "one")).collect();
    assert!(is_refused(turns, &clock, queue), "a hand of two queues of three");
    let _others: Vec<Pending<'_>> = (0..6).map(|_| wait(turns, &clock, queue, "two")).collect();
    assert!(turns.take(queue, of("three"), &clock).now_or_never().is_some_and(|taken| taken.is_err()), "twelve in all");
    // others have theirs meanwhile
    drop(seat(turns, &clock, cluster.level("global-default")));
}

#[test]
fn seats_are_dealt_out_anew_and_none_is_lost() {
    let (mut cluster, clock) = (Cluster::new(245), manual());
    let own = |most: u32| {
        limited(
            "own",
            json!({"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "lendablePercent": 0,
            "limitResponse": {"type": "Queue", "queuing": {"queues": 1, "handSize": 1, "queueLengthLimit": most}}}),
        )
    };
    cluster.put(own(1));
    let level = cluster.level("own");
    let turns = cluster.turns.clone();
    let first = seat(&turns, &clock, level);
    let mut second = wait(&turns, &clock, level, "a");
    assert!(is_refused(&turns, &clock, level));
    cluster.put(own(2));
    assert_eq!(cluster.level("own"), level, "it keeps its place");
    let mut third = wait(&turns, &clock, level, "b");
    // others come and go, and none has its place, nor is theirs given away at once
    cluster.put(limited("other", json!({"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}})));
    let other = cluster.level("other");
    assert_ne!(other, level);
    cluster.objects.retain(|one| one["metadata"]["name"] != "own");
    cluster.put(limited("third", json!({"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}})));
    assert!(![level, other].contains(&cluster.level("third")));
    // who waited there still has a turn
    drop(first);
    let next = has_seat(&mut second).expect("a seat");
    drop(next);
    assert!(has_seat(&mut third).is_some());
    assert_eq!(cluster.seats_held(), 0);
    let state = turns.lock();
    let kept: usize = state.levels.iter().map(|queue| queue.limits.kept).sum();
    assert_eq!((state.free, state.kept, state.waiting), (245, kept, 0));
}
