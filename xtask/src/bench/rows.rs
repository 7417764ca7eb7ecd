//! The rows of the table: what is measured, against what, and what a number means.

use super::environment::{Environment, NODE, Place};
use super::report::Numbers;
use super::{memory, trace};
use crate::command;
use serde_json::Value;
use std::process::Command;

/// One row.
pub struct Row {
    /// As `--only` takes it.
    pub name: &'static str,
    /// As the table has it; the headline's unit is in it.
    pub title: &'static str,
    /// What Kubernetes v1.36.2 did (DESIGN section 6).
    pub kubernetes: &'static str,
    /// What has to be reached.
    pub target: &'static str,
    /// What is started for it.
    pub place: Place,
    /// Whether it can be measured on a peer.
    pub peer: bool,
    /// Only when asked for, and once: it takes minutes.
    pub long: bool,
    /// Measures once. The number of the run makes names unique.
    pub run: fn(&mut Environment<'_>, usize) -> Result<Numbers, String>,
}

const fn row(
    name: &'static str,
    title: &'static str,
    (kubernetes, target): (&'static str, &'static str),
    place: Place,
    run: fn(&mut Environment<'_>, usize) -> Result<Numbers, String>,
) -> Row {
    let peer = !matches!(place, Place::Nothing);
    Row { name, title, kubernetes, target, place, peer, long: false, run }
}

const fn ours(row: Row) -> Row {
    Row { peer: false, ..row }
}

const fn long(row: Row) -> Row {
    Row { long: true, ..row }
}

/// All rows, in the table's order.
pub const ROWS: &[Row] = &[
    row(
        "generator",
        "the load generator's own ceiling: requests/s at an empty server, 16 connections",
        ("–", "–"),
        Place::Nothing,
        generator,
    ),
    row("create-1", "POST pods, durable, 1 connection, /s", ("166", "≥ 1,500"), Place::Api, |e, n| create(e, n, 1)),
    row("create-64", "POST pods, durable, 64 connections, /s", ("647", "≥ 8,000"), Place::Api, |e, n| {
        create(e, n, 64)
    }),
    row("get-16", "GET one pod, 16 connections, /s", ("1,519", "≥ 25,000"), Place::Api, get),
    row(
        "get-beside-writers",
        "GET one pod while 64 writers run, p99, ms",
        ("–", "< 20"),
        Place::Api,
        get_beside_writers,
    ),
    row("list", "LIST 10,000 pods (48 MB), ms", ("900–1,300", "≤ 80"), Place::Api, list),
    row("fanout", "one writer, 1,000 watchers: events/s", ("–", "–"), Place::Api, fanout),
    row("decisions", "scheduling decisions in process, 5,000 nodes, /s", ("–", "≥ 20,000"), Place::Nothing, decisions),
    row(
        "schedule",
        "schedule 10,000 pods onto 5,000 nodes through the API, pods/s",
        ("127", "≥ 3,000"),
        Place::Plane,
        |e, n| schedule(e, n, "scheduled"),
    ),
    row(
        "schedule-constrained",
        "the same with affinity, tolerations and spreading, pods/s",
        ("–", "≥ 3,000"),
        Place::Plane,
        |e, n| schedule(e, n, "constrained"),
    ),
    row("start", "create a pod → Ready, one container, p50, ms", ("733", "≤ 60"), Place::Node, |e, n| {
        start(e, n, &[])
    }),
    row("start-init", "the same with one init container, p50, ms", ("1,035", "≤ 100"), Place::Node, |e, n| {
        start(e, n, &["--init"])
    }),
    row("start-40", "40 such pods at once on one node, all Ready, s", ("13.5", "≤ 1.5"), Place::Node, start_together),
    ours(row(
        "memory-idle",
        "memory, idle single node, all components, MB",
        ("626", "≤ 60"),
        Place::Node,
        memory::idle,
    )),
    ours(row("memory-shim", "memory of one pod's shim among 20, MB", ("–", "≤ 2"), Place::Node, memory::shim)),
    ours(row(
        "memory-loaded",
        "memory, control plane with 5,000 nodes and 10,000 pods, MB",
        ("1,800", "≤ 250"),
        Place::Plane,
        memory::loaded,
    )),
    ours(row("cold", "cold start to /readyz, ms", ("5,000", "≤ 300"), Place::Nothing, cold_api)),
    ours(row("cold-node", "cold start to node Ready, ms", ("15,000", "≤ 1,000"), Place::Nothing, cold_node)),
    ours(long(row("trace", "one pod's start, span by span, ms", ("–", "–"), Place::Node, trace::run))),
    long(row("scale", "5,000 nodes, 150,000 pods under churn: GET p99, ms", ("–", "≤ 100"), Place::Plane, scale)),
    ours(long(row("overload", "ten times too much for a minute: heartbeat p99, ms", ("–", "–"), Place::Api, overload))),
];

/// A number out of what `load` printed.
fn at(value: &Value, pointer: &str) -> Result<f64, String> {
    value.pointer(pointer).and_then(Value::as_f64).ok_or_else(|| format!("no {pointer} in {value}"))
}

/// A namespace that nobody else uses, on peers too.
pub(super) fn namespace(row: &str, number: usize) -> String {
    format!("bench-{}-{row}-{number}", std::process::id())
}

fn generator(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let kubeconfig = environment.directory.join(format!("echo-{number}"));
    let mut echo = Command::new(&environment.programs.load);
    environment.start(echo.args(["echo", "--kubeconfig"]).arg(&kubeconfig), "echo.log")?;
    let kubeconfig = kubeconfig.display().to_string();
    environment.load(&["ready", "--kubeconfig", &kubeconfig])?;
    let rate = |connections: &str| {
        let arguments = ["path", "--kubeconfig", &kubeconfig, "--connections", connections, "--count", "60000", "/x"];
        at(&environment.load(&arguments)?, "/per_second")
    };
    Ok(vec![("requests/s", rate("16")?), ("with 64 connections", rate("64")?), ("with one", rate("1")?)])
}

fn create(environment: &mut Environment<'_>, number: usize, connections: usize) -> Result<Numbers, String> {
    let (namespace, connections) = (namespace("create", number), connections.to_string());
    let arguments = ["--connections", &connections, "--seconds", "4", "--prefix", "pod"];
    let result = environment.measure("create", &namespace, &arguments)?;
    Ok(vec![
        ("pods/s", at(&result, "/per_second")?),
        ("p50 ms", at(&result, "/latency/p50_ms")?),
        ("p99 ms", at(&result, "/latency/p99_ms")?),
    ])
}

/// Ten thousand pods of 4.8 kB, made once.
const POPULATION: &str = "10000";

fn populate(environment: &Environment<'_>, number: usize) -> Result<String, String> {
    let namespace = namespace("population", 0);
    if number == 0 {
        let arguments = ["--connections", "64", "--count", POPULATION, "--prefix", "pod", "--shape", "large"];
        environment.measure("create", &namespace, &arguments)?;
    }
    Ok(namespace)
}

fn get(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let namespace = populate(environment, number)?;
    let arguments = ["--connections", "16", "--count", POPULATION, "--seconds", "4", "--prefix", "pod"];
    let result = environment.measure("get", &namespace, &arguments)?;
    Ok(vec![
        ("gets/s", at(&result, "/per_second")?),
        ("p50 ms", at(&result, "/latency/p50_ms")?),
        ("p99 ms", at(&result, "/latency/p99_ms")?),
    ])
}

fn get_beside_writers(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let namespace = populate(environment, number)?;
    let arguments =
        ["--connections", "16", "--count", POPULATION, "--seconds", "4", "--prefix", "pod", "--writers", "64"];
    let result = environment.measure("get", &namespace, &arguments)?;
    Ok(vec![
        ("p99 ms", at(&result, "/latency/p99_ms")?),
        ("p50 ms", at(&result, "/latency/p50_ms")?),
        ("gets/s", at(&result, "/per_second")?),
        ("posts/s", at(&result, "/writes/per_second")?),
    ])
}

fn list(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let namespace = populate(environment, number)?;
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let result = environment.measure("path", &namespace, &["--count", "10", &path])?;
    let megabytes = at(&result, "/bytes")? / at(&result, "/good")? / 1e6;
    Ok(vec![
        ("p50 ms", at(&result, "/latency/p50_ms")?),
        ("max ms", at(&result, "/latency/max_ms")?),
        ("MB", megabytes),
    ])
}

fn fanout(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let result =
        environment.measure("fanout", &namespace("fanout", number), &["--watchers", "1000", "--writes", "200"])?;
    Ok(vec![
        ("events/s", at(&result, "/deliveries_per_second")?),
        ("p50 ms", at(&result, "/latency/p50_ms")?),
        ("p99 ms", at(&result, "/latency/p99_ms")?),
    ])
}

fn decisions(environment: &mut Environment<'_>, _: usize) -> Result<Numbers, String> {
    let result = environment.load(&["decisions"])?;
    Ok(vec![
        ("plain", at(&result, "/plain")?),
        ("affinity and taints", at(&result, "/affinity")?),
        ("spreading", at(&result, "/spread")?),
        ("anti-affinity", at(&result, "/anti_affinity")?),
        ("many classes", at(&result, "/classes")?),
    ])
}

pub(super) const NODES: usize = 5000;

fn schedule(environment: &mut Environment<'_>, number: usize, shape: &str) -> Result<Numbers, String> {
    if number == 0 {
        environment.simulate(NODES, &[])?;
    }
    let namespace = namespace(shape, number);
    let result = environment.measure("schedule", &namespace, &["--pods", "10000", "--shape", shape])?;
    Ok(vec![("pods/s", at(&result, "/per_second")?), ("created after s", at(&result, "/created_seconds")?)])
}

fn start(environment: &mut Environment<'_>, number: usize, more: &[&str]) -> Result<Numbers, String> {
    let arguments = [&["--count", "20"], more].concat();
    let result = environment.measure("start", &namespace("start", number), &arguments)?;
    Ok(vec![
        ("p50 ms", at(&result, "/ready/p50_ms")?),
        ("p90 ms", at(&result, "/ready/p90_ms")?),
        ("scheduled after ms", at(&result, "/scheduled/p50_ms")?),
        ("initialized after ms", at(&result, "/initialized/p50_ms")?),
    ])
}

fn start_together(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let result = environment.measure("start", &namespace("together", number), &["--count", "40", "--together"])?;
    Ok(vec![("all ready after s", at(&result, "/all_seconds")?), ("p50 ms", at(&result, "/ready/p50_ms")?)])
}

fn cold(environment: &Environment<'_>, place: Place, number: usize) -> Result<Value, String> {
    let fresh = environment.fresh(place, number);
    let kubeconfig = fresh.kubeconfig.display().to_string();
    let mut command = if place == Place::Node { fresh.in_new_namespaces() } else { Command::new("env") };
    command.arg(&environment.programs.load).args(["cold", "--kubeconfig", &kubeconfig]);
    if place == Place::Node {
        command.args(["--node", NODE]);
    }
    let log = fresh.directory.join("server.log");
    command.arg("--").arg("sh").arg("-c").arg(format!("exec \"$@\" 2>{}", log.display())).arg("sh");
    let text = command::output(command.arg(&environment.programs.pintle).args(fresh.server_arguments()))?;
    serde_json::from_str(&text).map_err(|error| format!("{text:?}: {error}"))
}

fn cold_api(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    Ok(vec![("readyz ms", at(&cold(environment, Place::Plane, number)?, "/readyz_ms")?)])
}

fn cold_node(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let result = cold(environment, Place::Node, number)?;
    Ok(vec![("node ready ms", at(&result, "/node_ready_ms")?), ("readyz ms", at(&result, "/readyz_ms")?)])
}

fn scale(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let simulator = environment.simulate(NODES, &["--max-pods", "60", "--pod-start-milliseconds", "100"])?;
    let pods: u32 = std::env::var("BENCH_SCALE_PODS").ok().and_then(|text| text.parse().ok()).unwrap_or(150_000);
    let namespace = namespace("scale", number);
    let filled = environment.measure("schedule", &namespace, &["--pods", &pods.to_string()])?;
    // churn: what is timed runs beside four writers that create, while 5,000 leases are renewed
    let arguments =
        ["--connections", "4", "--count", &pods.to_string(), "--seconds", "30", "--prefix", "pod", "--writers", "4"];
    let churn = environment.measure("get", &namespace, &arguments)?;
    let page = format!("/api/v1/namespaces/{namespace}/pods?limit=500");
    let pages = environment.measure("path", &namespace, &["--count", "40", &page])?;
    let mut numbers = vec![
        ("GET p99 ms", at(&churn, "/latency/p99_ms")?),
        ("POST p99 ms", at(&churn, "/writes/latency/p99_ms")?),
        ("LIST of 500 p99 ms", at(&pages, "/latency/p99_ms")?),
        ("pods/s while filling", at(&filled, "/per_second")?),
    ];
    if let Some(pid) = environment.server_pid().filter(|_| environment.own) {
        let whole = environment.measure("path", &namespace, &["--count", "10", "/api/v1/nodes"])?;
        let resident = memory::resident_mb(pid)?;
        numbers.extend([
            ("LIST 5,000 nodes p99 ms", at(&whole, "/latency/p99_ms")?),
            ("resident MB", resident),
            ("kB a pod", resident * 1000.0 / f64::from(pods)),
            ("simulator MB", memory::resident_mb(simulator)?),
        ]);
    }
    Ok(numbers)
}

fn overload(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let pid = environment.server_pid().ok_or("no server")?;
    let before = memory::resident_mb(pid)?;
    let result = environment.measure(
        "overload",
        &namespace("overload", number),
        &["--connections", "2000", "--seconds", "60"],
    )?;
    Ok(vec![
        ("heartbeat p99 ms", at(&result, "/heartbeats/p99_ms")?),
        ("heartbeats refused", at(&result, "/heartbeats_refused")?),
        ("served/s", at(&result, "/storm/per_second")?),
        ("429 with Retry-After", at(&result, "/storm/told_when")?),
        ("afterwards p99 ms", at(&result, "/after/latency/p99_ms")?),
        ("MB before", before),
        ("peak MB", memory::peak_mb(pid)?),
    ])
}
