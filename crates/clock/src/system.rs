//! The operating system's clock: the only file that may call `Instant::now` and `tokio::time::sleep`.
#![allow(clippy::disallowed_methods)] // this file is what the ban points to

use crate::Clock;
use futures::future::BoxFuture;
use std::time::{Duration, Instant};

/// Real time. Sleeping needs a tokio runtime with timers.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn pause(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}
