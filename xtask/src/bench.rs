//! `cargo xtask bench`: the table of numbers, measured on this machine and with a peer in the same run when one is given.
//!
//! Load comes from the program `load` (crates/load), which shares no process with what it measures; its own ceiling is
//! the first row. What not: the measurements themselves, which are `load`'s.

mod environment;
mod memory;
mod report;
mod rows;
mod trace;

use crate::command::{self, Done};
use crate::{images, prerequisites};
use clap::Args;
use environment::{Environment, Place};
use report::Measured;
use rows::{ROWS, Row};
use std::path::PathBuf;

/// What to measure.
#[derive(Args)]
pub struct Bench {
    /// Only these rows (see --list).
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<String>,
    /// Put the same load on this Kubernetes too, in the same run.
    #[arg(long, value_name = "KUBECONFIG")]
    peer: Option<PathBuf>,
    /// Runs of each row; medians and spread are over them.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Append the table to benches/RESULTS.md.
    #[arg(long)]
    record: bool,
    /// Build and measure this profile: `fast` for judging a change against the build before it.
    #[arg(long, default_value = "release")]
    profile: String,
    /// Measure what is built already.
    #[arg(long)]
    as_built: bool,
    /// Name the rows.
    #[arg(long)]
    list: bool,
}

/// The programs that are run: both of one profile, for recorded numbers that of what is shipped.
pub struct Programs {
    pintle: PathBuf,
    load: PathBuf,
}

/// Measures, prints, and records if asked to.
pub fn run(bench: &Bench) -> Done {
    if bench.list {
        ROWS.iter().for_each(|row| println!("{:<20} {}", row.name, row.title));
        return Ok(());
    }
    if let Some(unknown) = bench.only.iter().find(|name| ROWS.iter().all(|row| row.name != name.as_str())) {
        return Err(format!("no row {unknown:?}; `cargo xtask bench --list` names them"));
    }
    prerequisites::ensure(&prerequisites::BUILD)?;
    let chosen: Vec<&Row> = ROWS
        .iter()
        .filter(|row| if bench.only.is_empty() { !row.long } else { bench.only.iter().any(|name| name == row.name) })
        .collect();
    if chosen.iter().any(|row| row.place == Place::Node) {
        for needed in [&prerequisites::NODES[..], &prerequisites::IMAGES] {
            prerequisites::ensure(needed)?;
        }
        images::run()?;
    }
    if !bench.as_built {
        let profile = ["build", "--profile", bench.profile.as_str()];
        command::run(command::cargo().args(profile).args(["--package", "pintle", "--package", "load"]))?;
    }
    let directory = command::target().join(&bench.profile);
    let programs = Programs { pintle: directory.join("pintle"), load: directory.join("load") };
    let mut table = Vec::new();
    for row in chosen {
        table.push(measure(&programs, row, bench)?);
    }
    report::finish(&table, bench.record)
}

fn measure(programs: &Programs, row: &'static Row, bench: &Bench) -> Result<Measured, String> {
    let mut measured = Measured::new(row);
    eprintln!("{}: {}", row.name, row.title);
    let runs = if row.long { 1 } else { bench.runs.max(1) };
    let mut own = Environment::own(programs, row.place)?;
    for number in 0..runs {
        measured.own.add((row.run)(&mut own, number)?);
    }
    measured.extra = own.extra.take();
    drop(own);
    if let Some(peer) = bench.peer.as_ref().filter(|_| row.peer) {
        let mut peer = Environment::peer(programs, peer);
        for number in 0..runs {
            measured.peer.add((row.run)(&mut peer, number)?);
        }
    }
    measured.print();
    Ok(measured)
}
