//! Where time comes from, for every component: wall time, monotonic time and waiting, behind one trait.
//!
//! Why: timers, back-offs and time stamps must be steerable in tests and simulations, so nothing else in the workspace
//! may ask the operating system for the time (clippy.toml bans it). What not: no calendars and no formatting; that is
//! `jiff`'s.

mod manual;
mod system;

pub use manual::ManualClock;
pub use system::SystemClock;

use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// A source of time. Cheap to call; shared as [`SharedClock`].
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Wall-clock time, as it is written into objects.
    fn now(&self) -> jiff::Timestamp;

    /// Time since an arbitrary fixed point, which never goes backwards: for measuring and for deadlines.
    fn monotonic(&self) -> Duration;

    /// Resolves once [`Clock::monotonic`] has advanced by `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Blocks the calling thread for about `duration`: for a thread of its own that waits for less than the millisecond
    /// that timers of a runtime can tell apart. A clock that stands still does not wait.
    fn pause(&self, duration: Duration);
}

/// The form in which components hold their clock.
pub type SharedClock = Arc<dyn Clock>;

/// The operating system's clock.
pub fn system() -> SharedClock {
    Arc::new(SystemClock::default())
}

/// Runs `future` for at most `limit`; `None` when the limit came first.
pub async fn timeout<F: Future>(clock: &dyn Clock, limit: Duration, future: F) -> Option<F::Output> {
    let sleep = clock.sleep(limit);
    futures::pin_mut!(future);
    match futures::future::select(future, sleep).await {
        futures::future::Either::Left((output, _)) => Some(output),
        futures::future::Either::Right(((), _)) => None,
    }
}
