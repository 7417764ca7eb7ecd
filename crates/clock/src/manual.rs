//! A clock that stands still until a test moves it.

use crate::Clock;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Time under the control of a test. Sleepers wake, in the order of their deadlines, when [`ManualClock::advance`]
/// passes them.
#[derive(Debug)]
pub struct ManualClock {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    start: jiff::Timestamp,
    elapsed: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: jiff::Timestamp) -> Self {
        Self { inner: Mutex::new(Inner { start, elapsed: Duration::ZERO, sleepers: Vec::new() }) }
    }

    /// Moves time forward and wakes whoever waited for a moment that is now past.
    pub fn advance(&self, by: Duration) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.elapsed += by;
        let now = inner.elapsed;
        inner.sleepers.sort_by_key(|(deadline, _)| *deadline);
        let due = inner.sleepers.partition_point(|(deadline, _)| *deadline <= now);
        for (_, wake) in inner.sleepers.drain(..due) {
            let _ = wake.send(()); // the sleeper may be gone: then nobody minds
        }
    }

    /// How many sleepers wait: lets a test advance only once its subject has gone to sleep.
    pub fn sleepers(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).sleepers.len()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> jiff::Timestamp {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.start + jiff::SignedDuration::try_from(inner.elapsed).unwrap_or(jiff::SignedDuration::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).elapsed
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (wake, woken) = oneshot::channel();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if duration.is_zero() {
            return Box::pin(futures::future::ready(()));
        }
        let deadline = inner.elapsed + duration;
        inner.sleepers.push((deadline, wake));
        Box::pin(async move {
            let _ = woken.await; // a dropped clock ends all waiting
        })
    }

    fn pause(&self, _: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_wakes_when_its_moment_has_passed_and_not_before() {
        let clock = ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
        let mut sleep = clock.sleep(Duration::from_secs(10));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        clock.advance(Duration::from_secs(9));
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        assert_eq!(clock.sleepers(), 1);
        clock.advance(Duration::from_secs(1));
        assert!(sleep.as_mut().poll(&mut context).is_ready());
        assert_eq!(clock.now().as_second(), 10);
    }
}
