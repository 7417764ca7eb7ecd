//! `cargo xtask torture`: the store on disks that fail, through many crashes. The short form is an ordinary test.

use crate::command::{self, Done};
use clap::Args;

/// How long, and where to begin.
#[derive(Args)]
pub struct Torture {
    /// How many times the disk crashes or fills up.
    #[arg(long, default_value_t = 1000)]
    cycles: u64,
    /// What decides the faults. A failure names the seed and the cycle.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the test with these numbers.
pub fn run(torture: &Torture) -> Done {
    let mut test = command::cargo();
    test.args(["test", "--package", "store", "--test", "torture", "--", "--nocapture"]);
    test.env("PINTLE_TORTURE_CYCLES", torture.cycles.to_string());
    test.env("PINTLE_TORTURE_SEED", torture.seed.to_string());
    command::run(&mut test)
}
