//! Where pods go on three nodes: evenly, by label, and at once when a label makes room.

use crate::cluster::Cluster;

const NODES: &str = r#"kubectl get pods -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort | uniq -c"#;

fn counts(cluster: &Cluster) -> Vec<String> {
    cluster.ok(NODES).lines().map(|line| line.trim().to_owned()).collect()
}

/// The server's own times of a pod's PodScheduled=True and of the last change of a node's labels.
const SCHEDULED_AT: &str = r#"{.status.conditions[?(@.type=="PodScheduled")].lastTransitionTime}"#;

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

    // the watch shows when the label came and when the pod got its node: within one second
    let labelled_at = cluster.ok("date -u +%s; kubectl label nodes node1 cloud=666 > /dev/null");
    cluster.until(&format!("kubectl get pod late -o jsonpath='{SCHEDULED_AT} {{.spec.nodeName}}'"), |text| {
        text.ends_with("node1")
    });
    let at = cluster.ok(&format!("date -u -d $(kubectl get pod late -o jsonpath='{SCHEDULED_AT}') +%s"));
    let seconds = |text: &str| text.trim().parse::<i64>().expect("seconds");
    let waited = seconds(&at) - seconds(&labelled_at);
    // the client's own start counts too, on a machine that may be busy
    assert!((0..=2).contains(&waited), "scheduled {waited} s after the label");
}
