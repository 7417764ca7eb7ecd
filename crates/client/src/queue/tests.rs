//! The queue's promises, by a manual clock.

use super::*;
use clock::ManualClock;
use std::future::Future;
use std::task::{Context, Poll, Waker};

fn queue() -> (Arc<ManualClock>, WorkQueue<&'static str>) {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    (clock.clone(), WorkQueue::new(clock))
}

/// What `next` gives without waiting.
fn now<T: Clone + Eq + Hash + Send>(queue: &WorkQueue<T>) -> Option<T> {
    let next = queue.next();
    futures::pin_mut!(next);
    match next.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(key) => key,
        Poll::Pending => None,
    }
}

#[test]
fn a_key_waits_once() {
    let (_, queue) = queue();
    ["a", "b", "a"].into_iter().for_each(|key| queue.add(key));
    assert_eq!((now(&queue), now(&queue), now(&queue)), (Some("a"), Some("b"), None));
}

#[test]
fn a_key_in_work_comes_back_only_when_it_is_done() {
    let (_, queue) = queue();
    queue.add("a");
    assert_eq!(now(&queue), Some("a"));
    queue.add("a");
    queue.add("a");
    assert_eq!(now(&queue), None);
    queue.done(&"a");
    assert_eq!(now(&queue), Some("a"));
    queue.done(&"a");
    assert_eq!(now(&queue), None);
}

#[test]
fn the_earliest_delay_counts() {
    let (clock, queue) = queue();
    queue.add_after("a", Duration::from_secs(10));
    queue.add_after("a", Duration::from_secs(5));
    queue.add_after("a", Duration::from_secs(20));
    clock.advance(Duration::from_secs(4));
    assert_eq!(now(&queue), None);
    clock.advance(Duration::from_secs(1));
    assert_eq!(now(&queue), Some("a"));
    queue.done(&"a");
    clock.advance(Duration::from_secs(60));
    assert_eq!(now(&queue), None);
}

#[test]
fn failures_double_the_wait_until_forgotten() {
    let (_, queue) = queue();
    let waits: Vec<u128> = (0..4).map(|_| queue.add_rate_limited("a").as_millis()).collect();
    assert_eq!(waits, [5, 10, 20, 40]);
    queue.forget(&"a");
    assert_eq!(queue.add_rate_limited("a").as_millis(), 5);
    assert_eq!(Backoff::CONTROLLER.delay(u32::MAX), Duration::from_secs(1000));
}

#[tokio::test]
async fn sleeping_workers_wake_for_delayed_keys_and_for_the_end() {
    let (clock, queue) = queue();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Some(key) = queue.next().await {
                    taken.push(key);
                    queue.done(&key);
                }
                taken
            })
        })
        .collect();
    queue.add_after("late", Duration::from_secs(60));
    queue.add_after("soon", Duration::from_secs(1));
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(1));
    while queue.shared.state.lock().unwrap().delayed.len() > 1 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(60));
    while !queue.shared.state.lock().unwrap().delayed.is_empty() {
        tokio::task::yield_now().await;
    }
    queue.shut_down();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, ["late", "soon"]);
}
