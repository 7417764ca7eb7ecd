//! How long a group may grow before it is written.
//!
//! Whoever was answered with the last group mostly comes again at once. A sync costs the same for one write and for fifty,
//! so while fewer have come than were answered last, the writer looks away for a moment. It does not wait for each of them:
//! to be woken by every write would cost both sides more than is saved. A lone writer is never kept waiting, since there is
//! nobody to wait for; what a group that shrinks costs is [`MAX_PAUSES`] once, and then it is expected to be smaller.

use clock::Clock;
use std::time::Duration;

/// How long the writer looks away at a time: some writes' worth of work for the threads that prepare them.
const PAUSE: Duration = Duration::from_micros(100);
/// How often, before a group is written as it is. Together a tenth of what a write may take beside many others.
const MAX_PAUSES: usize = 3;

/// What the last group says about the next one.
#[derive(Debug, Default)]
pub(super) struct Patience {
    answered: usize,
}

impl Patience {
    /// Waits until as many writes are there as the last group had, or for as long as it is worth. `arrived` counts them.
    pub(super) fn wait(&self, clock: &dyn Clock, arrived: impl Fn() -> usize) {
        if self.answered < 2 {
            return;
        }
        for _ in 0..MAX_PAUSES {
            if arrived() >= self.answered {
                return;
            }
            clock.pause(PAUSE);
        }
    }

    /// Notes how many are answered now.
    pub(super) fn answer(&mut self, count: usize) {
        self.answered = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::BoxFuture;
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts pauses.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl Clock for Counting {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(futures::future::ready(()))
        }

        fn pause(&self, _: Duration) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often the writer looks away when one more write comes each time it looks.
    fn pauses(answered: usize, arrived: usize) -> usize {
        let (clock, arrived) = (Counting::default(), Cell::new(arrived));
        let mut patience = Patience::default();
        patience.answer(answered);
        patience.wait(&clock, || arrived.replace(arrived.get() + 1));
        clock.0.into_inner()
    }

    #[test]
    fn only_those_are_waited_for_who_were_answered_last() {
        assert_eq!(pauses(0, 1), 0);
        assert_eq!(pauses(1, 1), 0, "a lone writer");
        assert_eq!(pauses(2, 1), 1);
        assert_eq!(pauses(5, 5), 0);
        assert_eq!(pauses(64, 1), MAX_PAUSES, "not for ever");
    }
}
