//! Metrics of the server, in Prometheus' text form, under upstream's names and labels
//! (`k8s.io/apiserver/pkg/endpoints/metrics`).
//!
//! What not: metrics of parts that are built in another way here (etcd's client, Go's runtime, the priority and fairness of
//! requests).

mod process;

use crate::request::RequestInfo;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Series kept at most; requests for unknown resources are counted without their name, so this is never reached.
const MAX_SERIES: usize = 10_000;
/// The upper bounds of the buckets of durations, in seconds: upstream's.
const BUCKETS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];
/// Subresources that connect to something.
const CONNECTING: [&str; 5] = ["log", "exec", "portforward", "attach", "proxy"];

/// The requests with the same labels.
#[derive(Debug, Default)]
struct Series {
    /// How many got which code.
    codes: BTreeMap<u16, u64>,
    /// How many took no longer than each bound, but longer than the one before.
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

/// All counters.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<String, Series>>,
}

/// What a server knows besides its counters.
pub struct Facts {
    /// The revision of its cache.
    pub revision: u64,
    /// How many objects there are of each resource.
    pub objects: Vec<(String, usize)>,
    /// `v1.36.2`
    pub git_version: &'static str,
}

/// The labels of a request but for its code, sorted by name as Prometheus writes them. Of what nobody serves only the verb is
/// told.
pub fn labels(info: &RequestInfo, content_type: &str, is_known: bool) -> String {
    let (group, version, resource) =
        if is_known { (&*info.api_group, &*info.api_version, &*info.resource) } else { Default::default() };
    let subresource = if is_known { &*info.subresource } else { "" };
    let scope = scope_of(info, is_known);
    let dry_run = match info.query.get("dryRun") {
        None | Some("") => "",
        Some("All") => "All",
        Some(_) => "invalid",
    };
    let verb = match &*info.verb {
        _ if is_known && CONNECTING.contains(&subresource) => "CONNECT",
        "get" | "head" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" if content_type.starts_with("application/apply-patch+yaml") => "APPLY",
        "patch" => "PATCH",
        "delete" | "deletecollection" => "DELETE",
        _ => "other",
    };
    format!(
        "component=\"apiserver\",dry_run=\"{dry_run}\",group=\"{group}\",resource=\"{resource}\",scope=\"{scope}\",\
         subresource=\"{subresource}\",verb=\"{verb}\",version=\"{version}\""
    )
}

fn scope_of(info: &RequestInfo, is_known: bool) -> &'static str {
    match () {
        () if !is_known => "",
        () if !info.name.is_empty() || info.verb == "create" => "resource",
        () if !info.namespace.is_empty() => "namespace",
        () => "cluster",
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}"); // a String takes all
}

impl Metrics {
    /// Counts from nothing again.
    pub fn reset(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Counts an answer to a request with these [`labels`].
    pub fn request(&self, labels: String, code: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= MAX_SERIES && !requests.contains_key(&labels) {
            return;
        }
        let seconds = took.as_secs_f64();
        let series = requests.entry(labels).or_default();
        *series.codes.entry(code).or_default() += 1;
        series.count += 1;
        series.seconds += seconds;
        if let Some(at) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            series.buckets[at] += 1;
        }
    }

    /// The exposition.
    pub fn text(&self, facts: &Facts) -> String {
        let mut out = self.of_requests();
        head(
            &mut out,
            "apiserver_storage_objects",
            "gauge",
            "[STABLE] Number of stored objects at the time of last check split by kind.",
        );
        for (resource, count) in &facts.objects {
            let _ = writeln!(out, "apiserver_storage_objects{{resource=\"{resource}\"}} {count}");
        }
        head(&mut out, "apiserver_storage_revision", "gauge", "The revision up to which the cache is complete.");
        let _ = writeln!(out, "apiserver_storage_revision {}", facts.revision);
        head(
            &mut out,
            "kubernetes_build_info",
            "gauge",
            "[ALPHA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, \
             build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
        );
        let version = facts.git_version;
        let _ = writeln!(
            out,
            "kubernetes_build_info{{build_date=\"1970-01-01T00:00:00Z\",compiler=\"rustc\",git_commit=\"unknown\",\
             git_tree_state=\"clean\",git_version=\"{version}\",go_version=\"none\",major=\"1\",minor=\"36\",\
             platform=\"linux/amd64\"}} 1"
        );
        out.push_str(&process::text());
        out
    }

    fn of_requests(&self) -> String {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        head(
            &mut out,
            "apiserver_request_total",
            "counter",
            "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, \
             scope, component, and HTTP response code.",
        );
        for (labels, series) in requests.iter() {
            for (code, count) in &series.codes {
                let _ = writeln!(out, "apiserver_request_total{{code=\"{code}\",{labels}}} {count}");
            }
        }
        let name = "apiserver_request_duration_seconds";
        head(
            &mut out,
            name,
            "histogram",
            "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, \
             subresource, scope and component.",
        );
        for (labels, series) in requests.iter() {
            let mut up_to = 0;
            for (bound, count) in BUCKETS.iter().zip(&series.buckets) {
                up_to += count;
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {up_to}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", series.count);
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", series.seconds);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", series.count);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn labels_of(method: Method, path: &str, query: &str, content_type: &str) -> String {
        labels(&RequestInfo::new(&method, path, query), content_type, true)
    }

    #[test]
    fn labels_are_upstreams() {
        let expected = |rest: &str| format!("component=\"apiserver\",{rest}");
        let object = "/apis/apps/v1/namespaces/n/deployments/d";
        assert_eq!(
            labels_of(Method::PATCH, object, "dryRun=All", "application/apply-patch+yaml"),
            expected(
                r#"dry_run="All",group="apps",resource="deployments",scope="resource",subresource="",verb="APPLY",version="v1""#
            )
        );
        assert_eq!(
            labels_of(Method::GET, "/api/v1/namespaces/n/pods", "watch=1", ""),
            expected(
                r#"dry_run="",group="",resource="pods",scope="namespace",subresource="",verb="WATCH",version="v1""#
            )
        );
        assert_eq!(
            labels_of(Method::DELETE, "/api/v1/nodes", "", ""),
            expected(
                r#"dry_run="",group="",resource="nodes",scope="cluster",subresource="",verb="DELETE",version="v1""#
            )
        );
        assert_eq!(
            labels_of(Method::POST, "/api/v1/namespaces/n/pods/p/exec", "", ""),
            expected(
                r#"dry_run="",group="",resource="pods",scope="resource",subresource="exec",verb="CONNECT",version="v1""#
            )
        );
        let info = RequestInfo::new(&Method::GET, "/api/v1/anything/goes", "");
        let unknown = r#"dry_run="",group="",resource="",scope="",subresource="",verb="GET",version="""#;
        assert_eq!(labels(&info, "", false), expected(unknown));
    }

    #[test]
    fn series_are_bounded_and_those_that_are_there_go_on() {
        let metrics = Metrics::default();
        let count = |labels: String| metrics.request(labels, 200, Duration::ZERO);
        (0..=MAX_SERIES).for_each(|number| count(format!("x=\"{number}\"")));
        count("x=\"0\"".to_owned());
        let text = metrics.of_requests();
        assert!(text.contains("apiserver_request_total{code=\"200\",x=\"0\"} 2\n"));
        assert!(!text.contains(&format!("x=\"{MAX_SERIES}\"")));
    }

    #[test]
    fn durations_are_counted_up_to_each_bound() {
        let metrics = Metrics::default();
        for milliseconds in [1, 30, 70_000] {
            metrics.request("x=\"y\"".to_owned(), 200, Duration::from_millis(milliseconds));
        }
        let facts = Facts { revision: 7, objects: vec![("pods".to_owned(), 3)], git_version: "v1" };
        let text = metrics.text(&facts);
        for line in [
            "apiserver_request_total{code=\"200\",x=\"y\"} 3",
            "apiserver_request_duration_seconds_bucket{x=\"y\",le=\"0.005\"} 1",
            "apiserver_request_duration_seconds_bucket{x=\"y\",le=\"0.05\"} 2",
            "apiserver_request_duration_seconds_bucket{x=\"y\",le=\"60\"} 2",
            "apiserver_request_duration_seconds_bucket{x=\"y\",le=\"+Inf\"} 3",
            "apiserver_storage_objects{resource=\"pods\"} 3",
            "apiserver_storage_revision 7",
        ] {
            assert!(text.lines().any(|is| is == line), "{line}\n{text}");
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "));
    }
}
