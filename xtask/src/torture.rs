//! `cargo xtask torture`: the store on disks that fail, through many crashes; with `--server` a whole server that is killed
//! under its clients. The short forms are ordinary tests.

use crate::command::{self, Done};
use clap::Args;

/// How long, and where to begin.
#[derive(Args)]
pub struct Torture {
    /// A whole server in the place of the store alone.
    #[arg(long)]
    server: bool,
    /// How many times the disk crashes or fills up, or the server is killed.
    #[arg(long, default_value_t = 1000)]
    cycles: u64,
    /// What decides the faults. A failure names the seed and the cycle.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the test with these numbers.
pub fn run(torture: &Torture) -> Done {
    let mut test = command::cargo();
    let (package, name) = if torture.server { ("pintle", "server_torture") } else { ("store", "torture") };
    test.args(["test", "--package", package, "--test", name, "--", "--nocapture"]);
    test.env("PINTLE_TORTURE_CYCLES", torture.cycles.to_string());
    test.env("PINTLE_TORTURE_SEED", torture.seed.to_string());
    command::run(&mut test)
}
