//! Everything a developer types: `cargo xtask up | test | tidy | images | kubectl | e2e | bench | torture | fuzz`.
//!
//! Each verb is a file. What not: nothing here is part of the product; the verbs call `cargo`, `apt-get` and the built
//! binary as a person would.

mod bench;
mod command;
mod fuzz;
mod images;
mod kubectl;
mod prerequisites;
mod python;
mod test;
mod tidy;
mod torture;
mod up;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Develop pintle")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build pintle and start a three-node cluster on this machine.
    Up {
        /// Handed on to `pintle up`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything that must pass: formatting, tidy, clippy, unit tests, end-to-end tests, golden corpora.
    Test,
    /// The tutorial and the recorded transcripts, on real clusters.
    E2e,
    /// The rules of ARCHITECTURE.md that a program can check.
    Tidy,
    /// Measure: the table of numbers, ours beside a peer's when one is given.
    Bench(bench::Bench),
    /// The store through a thousand crashes, on disks that tear, reorder, lose and refuse writes.
    Torture(torture::Torture),
    /// Bytes that nobody would send, to every decoder, validator and evaluator: the targets of fuzz/, ten minutes each.
    Fuzz(fuzz::Fuzz),
    /// Make the test images from Debian packages: target/images/NAME.tar.
    Images,
    /// Fetch the real kubectl 1.36 and print where it is.
    Kubectl,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Up { arguments } => up::run(&arguments),
        Verb::Test => test::run(),
        Verb::E2e => test::end_to_end(),
        Verb::Tidy => tidy::run(),
        Verb::Bench(bench) => bench::run(&bench),
        Verb::Torture(torture) => torture::run(&torture),
        Verb::Fuzz(fuzz) => fuzz::run(&fuzz),
        Verb::Images => prerequisites::ensure(&prerequisites::IMAGES).and_then(|()| images::run()),
        Verb::Kubectl => kubectl::print(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
