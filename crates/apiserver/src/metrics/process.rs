//! What every Prometheus client says of its process, from `/proc`.

use super::head;
use procfs::process::{LimitValue, Process};
use std::fmt::Write as _;

/// The exposition; empty where there is no `/proc`.
pub(super) fn text() -> String {
    let mut out = String::new();
    let _absent = put_all(&mut out);
    out
}

fn put_all(out: &mut String) -> procfs::ProcResult<()> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let mut put = |name: &str, kind: &str, help: &str, value: f64| {
        head(out, name, kind, help);
        let _ = writeln!(out, "{name} {value}"); // a String takes all
    };
    let help = "Total user and system CPU time spent in seconds.";
    put("process_cpu_seconds_total", "counter", help, seconds(stat.utime + stat.stime));
    put("process_open_fds", "gauge", "Number of open file descriptors.", float(process.fd_count()? as u64));
    let most = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Value(count) => float(count),
        LimitValue::Unlimited => f64::INFINITY,
    };
    put("process_max_fds", "gauge", "Maximum number of open file descriptors.", most);
    let resident = float(stat.rss * procfs::page_size());
    put("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", resident);
    put("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", float(stat.vsize));
    let start = float(procfs::boot_time_secs()?) + seconds(stat.starttime);
    put("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", start);
    Ok(())
}

fn seconds(ticks: u64) -> f64 {
    float(ticks) / float(procfs::ticks_per_second())
}

#[expect(clippy::cast_precision_loss, reason = "counts of bytes and ticks are exact up to 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
