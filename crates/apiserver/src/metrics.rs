//! Counters of the server, in Prometheus' text form.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Series kept at most; requests for unknown resources are counted without their name, so this is never reached.
const MAX_SERIES: usize = 10_000;

#[derive(Debug, Default)]
struct Series {
    count: u64,
    seconds: f64,
}

/// All counters.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, String, u16), Series>>,
}

impl Metrics {
    /// Counts an answer.
    pub fn request(&self, verb: &str, resource: &str, code: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let resource = if code == 404 { "" } else { resource };
        if requests.len() >= MAX_SERIES {
            return;
        }
        let series = requests.entry((verb.to_owned(), resource.to_owned(), code)).or_default();
        series.count += 1;
        series.seconds += took.as_secs_f64();
    }

    /// The exposition.
    pub fn text(&self, revision: u64) -> String {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::from("# TYPE apiserver_request_total counter\n");
        for ((verb, resource, code), series) in requests.iter() {
            let labels = format!("code=\"{code}\",resource=\"{resource}\",verb=\"{}\"", verb.to_uppercase());
            let _ = writeln!(out, "apiserver_request_total{{{labels}}} {}", series.count); // a String takes all
        }
        out.push_str("# TYPE apiserver_request_duration_seconds summary\n");
        for ((verb, resource, code), series) in requests.iter() {
            let labels = format!("code=\"{code}\",resource=\"{resource}\",verb=\"{}\"", verb.to_uppercase());
            let _ = writeln!(out, "apiserver_request_duration_seconds_sum{{{labels}}} {}", series.seconds);
            let _ = writeln!(out, "apiserver_request_duration_seconds_count{{{labels}}} {}", series.count);
        }
        let _ = writeln!(out, "# TYPE apiserver_storage_revision gauge\napiserver_storage_revision {revision}");
        out
    }
}
