//! Ten thousand clients that watch and hear nothing: what each costs, in resident memory. Alone in its binary, so that
//! nobody else's memory is counted.

mod harness;

use harness::{Events, JSON, admin, call, send, start};
use http::Method;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const WATCHES: usize = 10_000;
/// The most that an idle watch may cost beside its connection, in bytes. Measured: about half of it.
const MAX_BYTES_PER_WATCH: usize = 4096;

/// The process's resident memory, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_watches_cost_little_and_end_with_their_clients() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    // Objects that every watch is told of first: a watch holds none of their bytes for itself.
    for number in 0..10 {
        let map = json!({"metadata": {"name": format!("m{number}")}, "data": {"a": "x".repeat(100_000)}});
        assert_eq!(send(&admin, Method::POST, MAPS, JSON, map.to_string()).await.0, 201);
    }
    let path = format!("{MAPS}?watch=1&timeoutSeconds=3600");
    drop(call(&admin, Method::GET, &path, JSON, "").await);
    let before = resident_bytes();
    let mut watches = Vec::with_capacity(WATCHES);
    for _ in 0..WATCHES {
        let watch = call(&admin, Method::GET, &path, JSON, "").await;
        assert_eq!(watch.status(), 200);
        watches.push(Events::of(watch));
    }
    let each = resident_bytes().saturating_sub(before) / WATCHES;
    println!("{each} bytes for each of {WATCHES} watches");
    assert!(each < MAX_BYTES_PER_WATCH, "{each} bytes for each watch");
    // A change reaches them all the same.
    let (code, made) = send(&admin, Method::POST, MAPS, JSON, r#"{"metadata":{"name":"new"}}"#).await;
    assert_eq!(code, 201, "{made}");
    for events in watches.iter_mut().step_by(1000) {
        let mut names: Vec<Value> = Vec::new();
        while names.last().is_none_or(|name| name != "new") {
            names.push(events.next().await["object"]["metadata"]["name"].clone());
        }
        assert_eq!(names.len(), 11);
    }
    server.shutdown().await;
}
