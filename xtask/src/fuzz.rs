//! `cargo xtask fuzz`: the targets of `fuzz/`, one after the other. They need what nothing else here does: the nightly
//! toolchain and cargo-fuzz.

use crate::command::{self, Done, at};
use clap::Args;
use std::path::Path;
use std::process::Command;

/// The most memory that a target may have resident, in MiB.
const RESIDENT_LIMIT_MIB: u32 = 2048;
/// The most time that one input may take, in seconds.
const INPUT_LIMIT_SECONDS: u32 = 20;
/// The longest input, in bytes; longer ones only make it slow.
const MAX_INPUT_BYTES: u32 = 4096;

/// Which targets, and for how long.
#[derive(Args)]
pub struct Fuzz {
    /// How long each target runs, in seconds.
    #[arg(default_value_t = 600)]
    seconds: u32,
    /// Only this target; may be given again.
    #[arg(long, value_name = "TARGET")]
    only: Vec<String>,
    /// Say which targets there are.
    #[arg(long)]
    list: bool,
}

/// All targets: the files of `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>, String> {
    let folder = command::root().join("fuzz/fuzz_targets");
    let files = std::fs::read_dir(&folder).map_err(at(&folder))?;
    let stem = |entry: std::fs::DirEntry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut targets: Vec<String> = files.filter_map(|entry| entry.ok().and_then(stem)).collect();
    targets.sort_unstable();
    Ok(targets)
}

/// Says what is missing, and how to come by it.
fn ensure_tools() -> Done {
    let toolchains = command::output(Command::new("rustup").args(["toolchain", "list"]))?;
    if !toolchains.lines().any(|line| line.starts_with("nightly")) {
        return Err("fuzzing needs the nightly toolchain: rustup toolchain install nightly".to_owned());
    }
    if !command::exists("cargo-fuzz") {
        return Err("fuzzing needs cargo-fuzz: cargo install cargo-fuzz --locked".to_owned());
    }
    Ok(())
}

/// `cargo fuzz VERB` as a person in the root would type it. Without a sanitizer: outside of system calls the code is free of
/// `unsafe`, so it would find nothing and halve the speed.
fn cargo_fuzz(verb: &str, built: &Path) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz", verb, "--sanitizer", "none", "--features", "components"]);
    command.env("CARGO_TARGET_DIR", built);
    // Set by the cargo that runs us, for the toolchain of the workspace.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}

/// Builds and runs the targets. Inputs are kept from run to run below the target directory; what makes a target fail is
/// named by libFuzzer, and told again at the end.
pub fn run(fuzz: &Fuzz) -> Done {
    let all = targets()?;
    if fuzz.list {
        all.iter().for_each(|target| println!("{target}"));
        return Ok(());
    }
    if let Some(unknown) = fuzz.only.iter().find(|name| !all.contains(name)) {
        return Err(format!("no fuzz target {unknown:?}; there are {}", all.join(", ")));
    }
    ensure_tools()?;
    let wanted = all.iter().filter(|target| fuzz.only.is_empty() || fuzz.only.contains(target));
    let built = command::target().join("fuzz");
    let mut failed = Vec::new();
    for target in wanted {
        command::run(cargo_fuzz("build", &built).arg(target))?;
        let (corpus, artifacts) = (built.join("corpus").join(target), built.join("artifacts").join(target));
        for folder in [&corpus, &artifacts] {
            std::fs::create_dir_all(folder).map_err(at(folder))?;
        }
        let mut run = cargo_fuzz("run", &built);
        run.arg(target).arg(&corpus).arg("--").args([
            format!("-artifact_prefix={}/", artifacts.display()),
            format!("-max_total_time={}", fuzz.seconds),
            format!("-rss_limit_mb={RESIDENT_LIMIT_MIB}"),
            format!("-timeout={INPUT_LIMIT_SECONDS}"),
            format!("-max_len={MAX_INPUT_BYTES}"),
        ]);
        if let Err(error) = command::run(&mut run) {
            failed.push(format!("{target}: {error}; the input is below {}", artifacts.display()));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}
