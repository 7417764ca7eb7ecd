//! How long a group may grow before it is written.
//!
//! Whoever was answered with the last group mostly comes again at once. A sync costs the same for one write and for fifty,
//! so while fewer have come than were answered last, the writer looks away for a moment. It does not wait for each of them:
//! to be woken by every write would cost both sides more than is saved. A lone writer is never kept waiting, since there is
//! nobody to wait for; what a crowd that goes away costs is [`MAX_PAUSES`] for some groups, and then it is forgotten.

use clock::Clock;
use std::time::Duration;

/// How long the writer looks away at first: some writes' worth of work for the threads that prepare them. Each time after
/// that twice as long.
const PAUSE: Duration = Duration::from_micros(100);
/// How often, before a group is written as it is. Together less than a millisecond, where a write beside many others takes some.
const MAX_PAUSES: u32 = 3;
/// How many groups back the writer remembers how many were answered. Where the processors are the bottleneck, writers
/// come back late and unevenly: by the last group alone, small groups would be followed by small ones.
const REMEMBERED_GROUPS: usize = 16;
/// Fewer than this are no crowd: they are not waited for after they once came together.
const CROWD: usize = 4;

/// What the last groups say about the next one.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Their sizes, the newest first.
    answered: [usize; REMEMBERED_GROUPS],
}

impl Patience {
    /// Waits until as many writes are there as are to be expected, or for as long as it is worth. `arrived` counts them.
    pub(super) fn wait(&self, clock: &dyn Clock, arrived: impl Fn() -> usize) {
        let crowds = self.answered.iter().copied().filter(|count| *count >= CROWD);
        let expected = crowds.max().unwrap_or(self.answered[0]);
        if expected < 2 {
            return;
        }
        for pauses in 0..MAX_PAUSES {
            if arrived() >= expected {
                return;
            }
            clock.pause(PAUSE * (1 << pauses));
        }
    }

    /// Notes how many are answered now.
    pub(super) fn answer(&mut self, count: usize) {
        self.answered.rotate_right(1);
        self.answered[0] = count;
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
    fn pauses(answered: &[usize], arrived: usize) -> usize {
        let (clock, arrived) = (Counting::default(), Cell::new(arrived));
        let mut patience = Patience::default();
        answered.iter().for_each(|count| patience.answer(*count));
        patience.wait(&clock, || arrived.replace(arrived.get() + 1));
        clock.0.into_inner()
    }

    #[test]
    fn only_those_are_waited_for_who_were_answered_last() {
        assert_eq!(pauses(&[], 1), 0);
        assert_eq!(pauses(&[1], 1), 0, "a lone writer");
        assert_eq!(pauses(&[2], 1), 1);
        assert_eq!(pauses(&[5], 5), 0);
        assert_eq!(pauses(&[64], 1), 3, "not for ever");
    }

    #[test]
    fn a_crowd_is_remembered_for_a_while() {
        assert_eq!(pauses(&[3, 1], 1), 0, "three are none");
        assert_eq!(pauses(&[4, 1], 1), 3);
        assert_eq!(pauses(&[6, 2, 1], 5), 1, "the largest of the last groups");
        let long_ago = [&[64][..], &[1; REMEMBERED_GROUPS]].concat();
        assert_eq!(pauses(&long_ago, 1), 0);
    }
}
