//! Unmodified clients: kubectl, the official Python client, and kube-rs with a controller of its own.

mod controller;
mod kubectl;

use crate::cluster::Cluster;
use std::path::Path;

/// Where `cargo xtask test` has put the Python client; without it, the machine's own is taken.
fn python_path() -> String {
    std::env::var("PINTLE_PYTHONPATH").unwrap_or_default()
}

#[test]
fn the_python_client_finds_everything_as_it_should_be() {
    let cluster = Cluster::up("one");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/clients/client.py");
    let said = cluster.ok(&format!("PYTHONPATH='{}' python3 {}", python_path(), script.display()));
    let parts: Vec<&str> = said.lines().collect();
    assert_eq!(parts, ["ok typed", "ok watched", "ok applied", "ok dynamically", "ok executed", "ok ended"]);
}
