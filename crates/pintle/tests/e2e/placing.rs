//! Where pods go on three nodes: evenly, by label, and at once when a label makes room.

use crate::cluster::Cluster;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};
use std::time::Duration;

const NODES: &str = r#"kubectl get pods -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort | uniq -c"#;

fn counts(cluster: &Cluster) -> Vec<String> {
    cluster.ok(NODES).lines().map(|line| line.trim().to_owned()).collect()
}

/// A watch whose lines are read as they come.
struct Lines(BufReader<ChildStdout>);

impl Lines {
    fn of(process: &mut Child) -> Self {
        Self(BufReader::new(process.stdout.take().expect("piped")))
    }

    /// When a line was first as it should be.
    fn wait_for(&mut self, wanted: &str, clock: &dyn clock::Clock) -> Duration {
        let mut line = String::new();
        while line.trim() != wanted {
            line.clear();
            assert!(self.0.read_line(&mut line).expect("a line") > 0, "the watch ended before {wanted:?}");
        }
        clock.monotonic()
    }
}

#[test]
fn pods_spread_and_follow_labels() {
    let cluster = Cluster::up("master,node1,node2");
    let run = "kubectl run $pod --image=nginx --image-pull-policy=Never";

    cluster.ok(&format!("for pod in a b c d e f; do {run}; done"));
    cluster.ok("kubectl wait --for=condition=Ready pods --all --timeout=60s");
    assert_eq!(counts(&cluster), ["3 node1", "3 node2"]);
    cluster.ok("kubectl delete pods --all");

    cluster.ok("kubectl label nodes node2 cloud=666");
    let selector = r#"--overrides='{"spec":{"nodeSelector":{"cloud":"666"}}}'"#;
    cluster.ok(&format!("for pod in a b c d e f; do {run} {selector}; done"));
    cluster.ok("kubectl wait --for=condition=Ready pods --all --timeout=60s");
    assert_eq!(counts(&cluster), ["6 node2"]);

    // taking the label off moves nobody, and holds newcomers back
    cluster.ok("kubectl label nodes node2 cloud-");
    cluster.ok(&format!("pod=late; {run} {selector}"));
    let reason = r#"kubectl get pod late -o jsonpath='{.status.conditions[?(@.type=="PodScheduled")].reason}'"#;
    cluster.until(reason, |text| text == "Unschedulable");
    assert_eq!(counts(&cluster).last().map(String::as_str), Some("6 node2"));
    let message = cluster
        .until("kubectl get events -o jsonpath='{.items[?(@.reason==\"FailedScheduling\")].message}'", |text| {
            !text.is_empty()
        });
    let (untolerated, unmatched) =
        ("1 node(s) had untolerated taint(s)", "2 node(s) didn't match Pod's node affinity/selector");
    assert!(message.starts_with(&format!("0/3 nodes are available: {untolerated}, {unmatched}. ")), "{message}");

    // one watch shows when the label came, another when the pod got its node: within one second
    let mut nodes = cluster.spawn(r#"kubectl get node node1 --watch -o jsonpath='{.metadata.labels.cloud}#{"\n"}'"#);
    let mut pods = cluster.spawn(r#"kubectl get pod late --watch -o jsonpath='{.spec.nodeName}#{"\n"}'"#);
    let (mut labels, mut places) = (Lines::of(&mut nodes), Lines::of(&mut pods));
    let clock = clock::system();
    labels.wait_for("#", &*clock);
    places.wait_for("#", &*clock);
    let waited = std::thread::scope(|scope| {
        let labelled_at = scope.spawn(|| labels.wait_for("666#", &*clock));
        let placed_at = scope.spawn(|| places.wait_for("node1#", &*clock));
        cluster.ok("kubectl label nodes node1 cloud=666");
        let placed_at = placed_at.join().expect("placed");
        placed_at.saturating_sub(labelled_at.join().expect("labelled"))
    });
    for mut watch in [nodes, pods] {
        watch.kill().and_then(|()| watch.wait().map(drop)).expect("the watch ends");
    }
    assert!(waited <= Duration::from_secs(1), "placed {waited:?} after the label");
}
