//! The transcripts of a real Kubernetes node (../shared/golden/article), typed again: the same lines must appear.

use crate::cluster::{Cluster, golden};
use crate::expectation::judge;
use crate::transcript::{self, Step};

/// The transcripts were taken on one node without kubeadm's label and taint.
fn one_plain_node() -> Cluster {
    let cluster = Cluster::up("master");
    cluster.ok("kubectl label node master node-role.kubernetes.io/control-plane- \
         node.kubernetes.io/exclude-from-external-load-balancers-");
    cluster
}

/// Lines that belong to the machine that was recorded, not to the story.
fn is_foreign(line: &str) -> bool {
    line.contains("FailedCreatePodSandBox") || line.contains(" node/master ")
}

/// Events of all runs so far come in an order that creation times of one second do not determine.
fn adjust(step: &Step, mut lines: Vec<String>) -> Vec<String> {
    if step.command.contains("get events") {
        lines.retain(|line| !is_foreign(line));
        lines.sort();
        lines.dedup();
    }
    lines
}

fn replay(name: &str) {
    judge(name, || replay_now(name));
}

fn replay_now(name: &str) {
    let Some(directory) = golden().map(|golden| golden.join("article")) else {
        eprintln!("the golden corpus is not beside this repository: nothing to compare with");
        return;
    };
    let cluster = one_plain_node();
    for entry in std::fs::read_dir(&directory).expect("the corpus").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "yml") {
            std::fs::copy(entry.path(), cluster.work_dir().join(entry.file_name())).expect("copy a manifest");
        }
    }
    let text = std::fs::read_to_string(directory.join(name)).expect("a transcript");
    // what the transcript does on the node itself is done there
    let steps = transcript::parse(&text);
    let steps: Vec<Step> = steps.into_iter().map(|step| Step { command: on_node(&step.command), ..step }).collect();
    transcript::run(&cluster, &steps, adjust);
}

/// Parts of a command line that touch the node's files, with the node's shell around them.
fn on_node(command: &str) -> String {
    let parts = command.split("; ").map(|part| {
        let touches_node = part.contains("/etc/kubernetes/manifests");
        if touches_node {
            format!("pintle node exec master -- sh -c '{}'", part.replace('\'', "'\\''"))
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("; ")
}

#[test]
fn an_init_container() {
    replay("01-init-container.txt");
}

#[test]
fn an_init_container_with_a_bad_command() {
    replay("02-init-container-bad-command.txt");
}

#[test]
fn a_volume_between_containers() {
    replay("03-init-container-volume.txt");
}

#[test]
fn a_static_pod() {
    replay("04-static-pod.txt");
}

#[test]
fn pods_and_labels() {
    replay("05-run-and-labels.txt");
}
