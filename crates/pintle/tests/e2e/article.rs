//! The transcripts of a real Kubernetes node (../shared/golden/article), typed again: the same lines must appear.

use crate::cluster::{Cluster, golden};
use crate::screen::Screen;
use crate::transcript::{self, Step, normalise};

/// The transcripts were taken on one node without kubeadm's label and taint.
fn one_plain_node() -> Cluster {
    let cluster = Cluster::up("master");
    cluster.ok("kubectl label node master node-role.kubernetes.io/control-plane- \
         node.kubernetes.io/exclude-from-external-load-balancers-");
    cluster
}

/// Lines that belong to the machine that was recorded, not to the story.
fn is_foreign(line: &str) -> bool {
    ["FailedCreatePodSandBox", " node/master", "Stopping container"].iter().any(|part| line.contains(part))
}

/// What two true recordings of one step may have differently.
fn adjust(step: &Step, lines: Vec<String>) -> Vec<String> {
    let mut lines = waiting(unfolded(lines));
    // events of all runs so far come in an order that creation times of one second do not determine
    if step.command.contains("get events") {
        lines.retain(|line| !is_foreign(line));
        lines.sort();
        lines.dedup();
    }
    lines
}

/// Quoted texts that YAML has folded, in one line each.
fn unfolded(lines: Vec<String>) -> Vec<String> {
    let mut result: Vec<String> = Vec::new();
    let mut open = false;
    for line in lines {
        match result.last_mut().filter(|_| open) {
            Some(folded) => *folded = normalise(&format!("{folded} {}", line.trim_start())),
            None => result.push(line.clone()),
        }
        open = if open { !line.ends_with('\'') } else { line.contains(": '") && !line.ends_with('\'') };
    }
    result
}

/// Of a container that waits for its restart, upstream's kubelet shows the start's failure until its next sync; ours the
/// back-off, at once (SEMANTICS.md).
fn waiting(mut lines: Vec<String>) -> Vec<String> {
    for index in 0..lines.len() {
        let text = lines[index].trim().to_owned();
        if ["Reason: RunContainerError", "Reason: CrashLoopBackOff"].contains(&text.as_str()) {
            lines[index] = " Reason: <waits>".to_owned();
        } else if ["reason: RunContainerError", "reason: CrashLoopBackOff"].contains(&text.as_str()) {
            lines[index] = " reason: <waits>".to_owned();
            if let Some(before) = index.checked_sub(1).filter(|before| lines[*before].trim().starts_with("message: ")) {
                lines[before] = " message: <waits>".to_owned();
            }
        }
    }
    lines
}

fn replay(name: &str) {
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
    let steps: Vec<Step> =
        steps.into_iter().map(|step| Step { command: on_node(&cluster, &step.command), ..step }).collect();
    transcript::run(&cluster, &steps, adjust);
}

/// Parts of a command line that touch the node's files, with the node's shell around them.
fn on_node(cluster: &Cluster, command: &str) -> String {
    // what the transcript leaves in /tmp goes with the test
    let command = command.replace("/tmp/", &format!("{}/", cluster.work_dir().display()));
    let parts = command.split("; ").map(|part| {
        let touches_node = part.contains("/etc/kubernetes/manifests");
        if touches_node { Cluster::on_node("master", "", part) } else { part.to_owned() }
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

/// The back-off by the server's own clock: the first restart comes at once, the second after 10 s, the third after 20 s.
#[test]
fn the_back_off_doubles() {
    let cluster = Cluster::up("master");
    let container = "{.status.initContainerStatuses[0]";
    // seconds since the epoch, as a watcher sees each failed start end
    let columns = format!("{container}.restartCount}} {container}.lastState.terminated.finishedAt}}");
    cluster.write("bad.yaml", BAD_COMMAND);
    cluster.ok("kubectl apply -f bad.yaml");
    let screen = Screen::watch(&cluster, &format!("kubectl get pod broken -w -o jsonpath='{columns}{{\"\\n\"}}'"));
    cluster.until(&format!("kubectl get pod broken -o jsonpath='{container}.restartCount}}'"), |count| count == "3");

    let finished_at = |restarts: i64| {
        let line = screen.lines().into_iter().find(|line| line.starts_with(&format!("{restarts} ")));
        let time = line.as_deref().and_then(|line| line.split(' ').nth(1)).map(str::to_owned);
        let time = time.unwrap_or_else(|| panic!("no instance {restarts} in {:?}", screen.lines()));
        time.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{time}: {error}")).as_second()
    };
    let gaps = [finished_at(2) - finished_at(1), finished_at(3) - finished_at(2)];
    // times are whole seconds, and a busy machine may be late by one more
    for (gap, delay) in gaps.into_iter().zip([10, 20]) {
        assert!((delay..=delay + 2).contains(&gap), "{gaps:?} s between restarts, not 10 and 20");
    }
    let status = cluster.ok("kubectl get pod broken --no-headers");
    assert!(status.contains(" Init:CrashLoopBackOff ") || status.contains(" Init:RunContainerError "), "{status}");
    assert!(status.contains(" 0/1 "), "{status}");
}

const BAD_COMMAND: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "broken"}, "spec": {
  "initContainers": [{"name": "prepare", "image": "centos", "imagePullPolicy": "Never", "command": ["lssssssss"]}],
  "containers": [{"name": "web", "image": "nginx", "imagePullPolicy": "Never"}]}}"#;
