//! What every Prometheus client says of its process, from `/proc`.

use super::head;
use std::fmt::Write as _;
use std::fs;

/// Clock ticks a second and bytes a page, as Linux has them on the machines that this runs on.
const TICKS: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;
/// The fields of `/proc/self/stat` after the name in parentheses, counted from its end: state is 0.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// The exposition; empty where there is no `/proc`.
pub(super) fn text() -> String {
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return String::new() };
    // The name may hold anything, parentheses too.
    let fields: Vec<u64> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().map(number).collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let mut out = String::new();
    let mut put = |name: &str, kind: &str, help: &str, value: String| {
        head(&mut out, name, kind, help);
        let _ = writeln!(out, "{name} {value}"); // a String takes all
    };
    let seconds = ticks(field(USER_TICKS) + field(SYSTEM_TICKS));
    let help = "Total user and system CPU time spent in seconds.";
    put("process_cpu_seconds_total", "counter", help, seconds.to_string());
    let open = fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap_or_default();
    put("process_open_fds", "gauge", "Number of open file descriptors.", open.to_string());
    put("process_max_fds", "gauge", "Maximum number of open file descriptors.", max_files().to_string());
    let resident = field(RESIDENT_PAGES) * PAGE_BYTES;
    put("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", resident.to_string());
    put("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", field(VIRTUAL_BYTES).to_string());
    let start = boot_seconds() + ticks(field(START_TICKS));
    let help = "Start time of the process since unix epoch in seconds.";
    put("process_start_time_seconds", "gauge", help, start.to_string());
    out
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "ticks of centuries are exact")]
fn ticks(count: u64) -> f64 {
    count as f64 / TICKS
}

/// The soft limit of open files.
fn max_files() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    line.split_whitespace().next().map(number).unwrap_or_default()
}

/// When the machine was started.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
fn boot_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix("btime ")).unwrap_or_default();
    number(line.trim()) as f64
}
