//! What `up` prints while it works: a line for each step, with its time.

use clock::SharedClock;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Prints steps. On a terminal the running step is shown too.
pub struct Progress {
    clock: SharedClock,
    terminal: bool,
    began: Duration,
}

impl Progress {
    /// Prints to standard error, so that standard output stays for what scripts read.
    pub fn new(clock: SharedClock) -> Self {
        let began = clock.monotonic();
        Self { clock, terminal: std::io::stderr().is_terminal(), began }
    }

    /// A line that is no step.
    pub fn say(&self, what: &str) {
        eprintln!("{what}");
    }

    /// The last line, with the time that everything took.
    pub fn done(&self, what: &str) {
        eprintln!("{what} ({})", seconds(self.clock.monotonic().saturating_sub(self.began)));
    }

    /// Runs one step.
    pub async fn step<T, E>(&self, what: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let started = self.clock.monotonic();
        if self.terminal {
            eprint!("   {what} …");
            let _ = std::io::stderr().flush();
        }
        let done = work.await;
        let mark = if done.is_ok() { "✓" } else { "✗" };
        let start_of_line = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{start_of_line} {mark} {what} ({})", seconds(self.clock.monotonic().saturating_sub(started)));
        done
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
