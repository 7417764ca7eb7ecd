//! How much memory processes have, from /proc.

use std::fs;
use std::path::Path;

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
