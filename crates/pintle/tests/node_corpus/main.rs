//! The golden node corpus (../shared/golden/node): small pods on a cluster of one node, compared with what a real
//! Kubernetes v1.36.2 node did with them, state by state, event by event, word by word.
//!
//! `expected-failures.txt` names the cases that still fail; one on it that passes fails the run, so that the list can
//! only shrink. A case that fails is run once more alone before it counts, as the corpus has it for busy machines. Needs
//! root, python3, the images of `cargo xtask images` and kubectl 1.36 (`cargo xtask test` sees to all of that). Without
//! the corpus beside the repository there is nothing to compare with.

#[expect(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../e2e/cluster.rs"]
mod cluster;
mod report;

use cluster::{Cluster, golden, kubectl};
use report::{Case, expected_failures, parse};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the kubelet of `up` finds its static pods, inside the node.
const MANIFESTS: &str = "etc/kubernetes/manifests";
/// `kubectl logs --all-containers` goes through the containers in the order of a Go map and stops at the first that waits: in
/// 16 of 60 calls it did not get to the one that speaks, as it did in both recordings.
const AT_RANDOM: [&str; 1] = ["logs-waiting"];
/// So often such a case may be run again: that all of these miss is one run in a hundred thousand.
const TRIES_AT_RANDOM: usize = 8;
/// Cases at once: as many as the recordings had.
const PARALLEL: &str = "6";

/// The node's directory of static pods as it can be written to from outside: /etc of a node is an overlay, which only
/// processes of the node see.
fn static_dir(cluster: &Cluster) -> PathBuf {
    let pid_file = cluster.data_dir().join("run/kubelet-master.pid");
    let pid = std::fs::read_to_string(&pid_file).expect("the kubelet's pid");
    Path::new("/proc").join(pid.trim()).join("root").join(MANIFESTS)
}

fn compare(cluster: &Cluster, directory: &Path, only: &str) -> BTreeMap<String, Case> {
    let output = Command::new("python3")
        .arg(directory.join("compare.py"))
        .args(["--parallel", PARALLEL, "--only", only, "--kubeconfig"])
        .arg(cluster.data_dir().join("kubeconfig"))
        .arg("--kubectl")
        .arg(kubectl())
        .arg("--static-dir")
        .arg(static_dir(cluster))
        .output()
        .expect("run compare.py");
    let text = String::from_utf8_lossy(&output.stdout);
    let cases = parse(&text);
    let finished = text.lines().last().is_some_and(|line| line.contains(" passed, "));
    assert!(finished, "compare.py gave up: {text}\n{}\n{}", String::from_utf8_lossy(&output.stderr), cluster.logs());
    cases
}

#[test]
fn the_node_does_what_a_real_one_did() {
    let Some(directory) = golden().map(|golden| golden.join("node")) else {
        eprintln!("the golden corpus is not beside this repository: nothing to compare with");
        return;
    };
    let only = std::env::var("PINTLE_NODE_CASES").unwrap_or_else(|_| "*".to_owned());
    let cluster = Cluster::up("master");
    let mut cases = compare(&cluster, &directory, &only);
    let expected: BTreeSet<&str> = expected_failures().collect();
    let again: Vec<String> = cases
        .iter()
        .filter(|(name, case)| !case.passed && !expected.contains(name.as_str()))
        .map(|(n, _)| n.clone())
        .collect();
    for name in again {
        let tries = if AT_RANDOM.contains(&name.as_str()) { TRIES_AT_RANDOM } else { 1 };
        for _ in 0..tries {
            cases.extend(compare(&cluster, &directory, &name));
            if cases.get(&name).is_some_and(|case| case.passed) {
                break;
            }
        }
    }
    let problems: String = cases
        .iter()
        .filter_map(|(name, case)| match (case.passed, expected.contains(name.as_str())) {
            (true, false) | (false, true) => None,
            (true, true) => Some(format!("{name} passes now: take it off expected-failures.txt\n")),
            (false, false) => Some(format!("{name} fails:\n{}", case.details)),
        })
        .collect();
    let passed = cases.values().filter(|case| case.passed).count();
    println!("node corpus: {passed} of {} cases pass", cases.len());
    assert!(problems.is_empty(), "{problems}\n{}", cluster.logs());
}
