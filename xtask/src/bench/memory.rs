//! The rows about memory, and how much processes have, from /proc.

use super::environment::Environment;
use super::report::Numbers;
use super::rows::{NODES, namespace};
use crate::command;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Resident memory of a process, in MB (10^6 bytes).
pub fn resident_mb(pid: u32) -> Result<f64, String> {
    field_kib(&format!("/proc/{pid}/status"), "VmRSS:").map(to_mb)
}

/// The largest resident memory that it ever had, in MB.
pub fn peak_mb(pid: u32) -> Result<f64, String> {
    field_kib(&format!("/proc/{pid}/status"), "VmHWM:").map(to_mb)
}

/// Its share of memory, with shared pages divided among those who share them, in MB.
pub fn proportional_mb(pid: u32) -> Result<f64, String> {
    field_kib(&format!("/proc/{pid}/smaps_rollup"), "Pss:").map(to_mb)
}

fn to_mb(kib: u32) -> f64 {
    f64::from(kib) * 1024.0 / 1e6
}

fn field_kib(path: &str, name: &str) -> Result<u32, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.trim().trim_end_matches("kB").trim().parse().ok());
    number.ok_or_else(|| format!("{path} has no {name}"))
}

/// The processes in the network namespace of `pid`, without itself.
pub fn in_namespace_of(pid: u32) -> Vec<u32> {
    let namespace = |pid: &str| fs::read_link(Path::new("/proc").join(pid).join("ns/net")).ok();
    let Some(wanted) = namespace(&pid.to_string()) else { return Vec::new() };
    if namespace("self").as_ref() == Some(&wanted) {
        return Vec::new(); // it never got one of its own
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|other| *other != pid && namespace(&other.to_string()).as_ref() == Some(&wanted)).collect()
}

/// Of these processes the pods' shims, by their command lines.
fn shims_of(pids: Vec<u32>) -> Vec<u32> {
    let is_shim = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"shim")
    };
    pids.into_iter().filter(is_shim).collect()
}

/// After ten seconds of nothing.
pub fn idle(environment: &mut Environment<'_>, _: usize) -> Result<Numbers, String> {
    command::run(Command::new("sleep").arg("10"))?;
    let pid = environment.server_pid().ok_or("no server")?;
    Ok(vec![("resident MB", resident_mb(pid)?), ("proportional MB", proportional_mb(pid)?)])
}

/// Pods at once: so many that what their shims share weighs little in each.
const SHIMS: usize = 20;
/// The longest that pods take to go, in seconds.
const GONE_SECONDS: usize = 20;

/// Pages of the program that all shims map are divided among them: what one more pod costs.
pub fn shim(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let namespace = namespace("shims", number);
    environment.measure("start", &namespace, &["--count", &SHIMS.to_string(), "--together", "--keep"])?;
    command::run(Command::new("sleep").arg("3"))?; // their start is over, and what it took is given back
    let pid = environment.server_pid().ok_or("no server")?;
    let shims = shims_of(in_namespace_of(pid));
    if shims.len() != SHIMS {
        return Err(format!("{} shims of {SHIMS} pods", shims.len()));
    }
    let mut proportional = shims.iter().map(|shim| proportional_mb(*shim)).collect::<Result<Vec<_>, _>>()?;
    let mut resident = shims.iter().map(|shim| resident_mb(*shim)).collect::<Result<Vec<_>, _>>()?;
    proportional.sort_by(f64::total_cmp);
    resident.sort_by(f64::total_cmp);
    environment.measure("remove", &namespace, &[])?;
    for _ in 0..GONE_SECONDS {
        command::run(Command::new("sleep").arg("1"))?; // the next row is not to run beside pods that go
        if shims_of(in_namespace_of(pid)).is_empty() {
            break;
        }
    }
    Ok(vec![
        ("proportional MB", proportional[SHIMS / 2]),
        ("the largest", proportional[SHIMS - 1]),
        ("resident MB", resident[SHIMS / 2]),
    ])
}

pub fn loaded(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    if number == 0 {
        environment.simulate(NODES, &[])?;
        environment.measure("schedule", &namespace("memory", 0), &["--pods", "10000"])?;
    }
    command::run(Command::new("sleep").arg("10"))?;
    let pid = environment.server_pid().ok_or("no server")?;
    Ok(vec![("resident MB", resident_mb(pid)?), ("peak MB", peak_mb(pid)?)])
}
