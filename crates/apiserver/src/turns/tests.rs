//! Turns, step by step: every future is polled by hand, so that nothing depends on time.

use super::*;
use clock::ManualClock;
use futures::FutureExt;
use std::future::Future;
use std::pin::Pin;

type Pending<'a> = Pin<Box<dyn Future<Output = Result<Seat, TooMany>> + 'a>>;

fn manual() -> ManualClock {
    ManualClock::new(jiff::Timestamp::UNIX_EPOCH)
}

fn wait<'a>(turns: &'a Turns, clock: &'a ManualClock, level: Level, user: &'a str) -> Pending<'a> {
    let mut pending: Pending<'a> = Box::pin(turns.take(level, user, clock));
    assert!(pending.as_mut().now_or_never().is_none(), "{user} should wait");
    pending
}

fn seat(turns: &Turns, clock: &ManualClock, level: Level) -> Seat {
    turns.take(level, "first", clock).now_or_never().expect("at once").expect("a seat")
}

fn has_seat(pending: &mut Pending<'_>) -> Option<Seat> {
    pending.as_mut().now_or_never().map(|taken| taken.expect("a seat"))
}

#[test]
fn system_components_go_first_and_users_take_turns() {
    let (turns, clock) = (Turns::new(1), manual());
    let first = seat(&turns, &clock, Level::GlobalDefault);
    let mut flood: Vec<Pending<'_>> = (0..3).map(|_| wait(&turns, &clock, Level::GlobalDefault, "flood")).collect();
    let mut other = wait(&turns, &clock, Level::GlobalDefault, "other");
    let mut node = wait(&turns, &clock, Level::NodeHigh, "node");
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
    let (turns, clock) = (Turns::new(240), manual());
    // More urgent ones take all seats, then everyone waits.
    let mut taken: Vec<Seat> = (0..240).map(|_| seat(&turns, &clock, Level::WorkloadHigh)).collect();
    let mut urgent = wait(&turns, &clock, Level::WorkloadHigh, "controller");
    let mut plain = wait(&turns, &clock, Level::GlobalDefault, "user");
    taken.pop();
    assert!(has_seat(&mut urgent).is_none(), "it has more than its share");
    assert!(has_seat(&mut plain).is_some(), "the other has none yet");
}

#[test]
fn too_many_are_told_to_come_back_and_masters_never_wait() {
    let (turns, clock) = (Turns::new(1), manual());
    let _first = seat(&turns, &clock, Level::GlobalDefault);
    let waiting: Vec<Pending<'_>> =
        (0..MAX_WAITING_PER_USER).map(|_| wait(&turns, &clock, Level::GlobalDefault, "flood")).collect();
    let refused = turns.take(Level::GlobalDefault, "flood", &clock).now_or_never();
    assert_eq!(refused.expect("at once").err(), Some(TooMany));
    let other = wait(&turns, &clock, Level::GlobalDefault, "other");
    assert!(turns.take(Level::Exempt, "admin", &clock).now_or_never().is_some_and(|taken| taken.is_ok()));
    drop((waiting, other));
}

#[test]
fn who_goes_away_or_waits_too_long_leaves_no_seat_behind() {
    let (turns, clock) = (Turns::new(1), manual());
    let first = seat(&turns, &clock, Level::GlobalDefault);
    let gone = wait(&turns, &clock, Level::GlobalDefault, "a");
    let mut late = wait(&turns, &clock, Level::GlobalDefault, "b");
    let called = wait(&turns, &clock, Level::GlobalDefault, "c");
    drop(gone);
    clock.advance(MAX_WAIT);
    assert_eq!(late.as_mut().now_or_never().map(|taken| taken.err()), Some(Some(TooMany)));
    drop(late);
    drop(first); // calls c
    drop(called); // which goes away before it looks
    assert!(turns.take(Level::GlobalDefault, "d", &clock).now_or_never().is_some_and(|taken| taken.is_ok()));
}
