//! `cargo xtask test`: all that must pass, cheapest first.

use crate::command::{self, Done};
use crate::{images, prerequisites, tidy, up};

/// Runs everything; stops at the first failure.
pub fn run() -> Done {
    for needed in [&prerequisites::BUILD[..], &prerequisites::NODES, &prerequisites::IMAGES, &prerequisites::TESTS] {
        prerequisites::ensure(needed)?;
    }
    command::run(command::cargo().args(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    command::run(command::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let binary = up::build("dev")?;
    images::run()?;
    let mut tests = command::cargo();
    // nextest runs each test in a process of its own and prints one line each; plain cargo does as well
    if command::exists("cargo-nextest") {
        tests.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
    } else {
        tests.args(["test", "--workspace", "--no-fail-fast"]);
    }
    tests.env("PINTLE_BINARY", binary).env("PINTLE_IMAGES", images::directory());
    command::run(&mut tests)
}
