//! `cargo xtask test`: all that must pass, cheapest first. `cargo xtask e2e`: whole clusters with the real kubectl.

use crate::command::{self, Done};
use crate::{images, prerequisites, tidy};

/// Runs everything; stops at the first failure.
pub fn run() -> Done {
    for needed in [&prerequisites::BUILD[..], &prerequisites::NODES, &prerequisites::IMAGES, &prerequisites::TESTS] {
        prerequisites::ensure(needed)?;
    }
    command::run(command::cargo().args(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    command::run(command::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut tests = command::cargo();
    // nextest runs each test in a process of its own and prints one line each; plain cargo does as well
    if command::exists("cargo-nextest") {
        tests.args(["nextest", "run", "--workspace", "--no-fail-fast", "-E", "not binary(e2e)"]);
    } else {
        tests.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins"]);
    }
    command::run(&mut tests)
}

/// The tutorial and the recorded transcripts on real clusters.
pub fn end_to_end() -> Done {
    for needed in [&prerequisites::BUILD[..], &prerequisites::NODES, &prerequisites::IMAGES, &prerequisites::TESTS] {
        prerequisites::ensure(needed)?;
    }
    images::run()?;
    let mut tests = command::cargo();
    tests.args(["test", "--package", "pintle", "--test", "e2e", "--", "--test-threads=1"]);
    command::run(tests.env("PINTLE_IMAGES", images::directory()))
}
