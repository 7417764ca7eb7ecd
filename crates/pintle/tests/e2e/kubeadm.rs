//! docs/kubeadm.md, typed line by line; and what happens to those who type it wrong.

use crate::cluster::{Cluster, images};
use crate::page::{blocks, page};
use crate::transcript::{self, Step};
use regex_lite::Regex;
use std::path::{Path, PathBuf};

/// What the page exports on the control plane.
pub const KUBECONFIG: &str = "KUBECONFIG=/etc/kubernetes/admin.conf";

#[test]
fn both_languages_show_the_same_commands() {
    assert_eq!(blocks(&page("kubeadm.md")), blocks(&page("kubeadm.zh.md")));
}

/// What may differ on this page beside what differs everywhere.
const VARIABLE: [(&str, &str); 6] = [
    (r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b", "<token>"),
    (r"system:bootstrap:[a-z0-9]{6}\b", "system:bootstrap:<id>"),
    (r"node-csr-[A-Za-z0-9_-]{43}", "node-csr-<hash>"),
    (r"[A-Z][a-z]{2} \d\d, \d{4} \d\d:\d\d UTC", "<time>"),
    (r"after \d+ms", "after <age>"),
    (r" (364d|9y) ", " <age> "),
];

fn normalise(line: String) -> String {
    // where nothing else decides, either worker may get a pod
    let line = if line.starts_with("web") { line.replace(" node2 ", " node1 ") } else { line };
    VARIABLE.iter().fold(line, |line, (pattern, stands_for)| {
        Regex::new(pattern).expect("a pattern of ours").replace_all(&line, *stands_for).into_owned()
    })
}

/// A join command of this cluster, as `token create` prints it.
fn join_command(cluster: &Cluster) -> String {
    cluster.ok("pintle node exec master -- pintle token create --print-join-command").trim().to_owned()
}

/// The page's steps, with this run's token and hash in the place of the page's.
fn steps(content: &str, join: Option<&str>) -> Vec<Step> {
    let words = |command: String| match join {
        Some(join) if command.starts_with("pintle join ") => {
            let page = Regex::new("pintle join .* sha256:[0-9a-f]{64}").expect("a pattern of ours");
            page.replace(&command, join).into_owned()
        }
        _ => command,
    };
    transcript::parse(content).into_iter().map(|step| Step { command: words(step.command), ..step }).collect()
}

#[test]
fn the_page_can_be_followed() {
    let cluster = Cluster::prepare();
    std::fs::create_dir_all(cluster.work_dir().join("target")).expect("make a directory");
    let images = images().canonicalize().expect("the images");
    std::os::unix::fs::symlink(images, cluster.work_dir().join("target/images")).expect("link the images");
    let mut join = None;
    for (info, content) in blocks(&page("kubeadm.md")) {
        let (kind, node) = info.split_once(' ').map_or((info.as_str(), None), |(kind, node)| (kind, Some(node)));
        if kind == "sh" {
            assert_eq!((node, content.trim()), (Some("master"), "export KUBECONFIG=/etc/kubernetes/admin.conf"));
        } else if kind == "console" {
            let at =
                |command: &str| node.map_or(command.to_owned(), |node| Cluster::on_node(node, KUBECONFIG, command));
            let adjust = |_: &Step, lines: Vec<String>| lines.into_iter().map(normalise).collect();
            transcript::run_at(&cluster, at, None, &steps(&content, join.as_deref()), adjust);
            if content.contains("$ pintle token create --print-join-command") {
                join = Some(join_command(&cluster));
            }
        }
    }
    is_clean(&cluster, "node2");
}

/// Nothing of a node's time in a cluster is left after `reset`.
pub fn is_clean(cluster: &Cluster, node: &str) {
    let on_node = |command: &str| cluster.ok(&Cluster::on_node(node, "", command));
    let files = on_node("find /etc/kubernetes -type f; find /var/lib/kubelet /run/pintle/sandboxes -mindepth 1");
    assert_eq!(files, "");
    assert_eq!(on_node("grep -c -e ' /var/lib/kubelet/' -e ' /run/pintle/' /proc/mounts || true"), "0\n");
    let cgroup = on_node("sed -n 's|.*--cgroup-root=||p' /etc/default/kubelet");
    let cgroup = cgroup.trim();
    assert!(cgroup.len() > 1, "{cgroup}");
    let left = processes_of(Path::new(cgroup.trim_start_matches('/')));
    assert!(left.is_empty(), "{left:?}");
}

/// The command lines of what still runs in or below a cgroup, in every hierarchy that is mounted.
fn processes_of(cgroup: &Path) -> Vec<String> {
    let mount = Path::new("/sys/fs/cgroup");
    let mut directories: Vec<PathBuf> = below(mount).chain([mount.to_owned()]).map(|root| root.join(cgroup)).collect();
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        // a group may go while it is looked at, and takes its processes with it
        let pids = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        let commands = pids.lines().filter_map(|pid| std::fs::read(Path::new("/proc").join(pid).join("cmdline")).ok());
        found.extend(
            commands.filter(|words| !words.is_empty()).map(|words| String::from_utf8_lossy(&words).into_owned()),
        );
        directories.extend(below(&directory));
    }
    found
}

fn below(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

/// `init` on the first of these bare machines, with these further words.
pub fn control_plane(nodes: &str, words: &str) -> Cluster {
    let cluster = Cluster::prepare();
    cluster.ok(&format!("pintle up --bare --nodes {nodes}"));
    cluster.ok(&format!("pintle node exec master -- pintle init {words}"));
    cluster
}

const WAITS_BRIEFLY: &str = "apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: 172.30.0.2:6443
    token: TOKEN
    caCertHashes: [HASH]
timeouts:
  discovery: 2s
";

#[test]
fn a_bad_join_changes_nothing_and_says_why() {
    let cluster = control_plane("master,node1", "--token abcdef.0123456789abcdef");
    let join = join_command(&cluster);
    let hash = join.split_whitespace().last().expect("a hash");
    let identity = "execution phase preflight: couldn't validate the identity of the API Server: ";
    let refused = |words: &str, expected: &str| {
        let error = cluster.refused(&format!("pintle node exec node1 -- pintle join {words}"));
        assert!(error.contains(expected), "{words}: {error}");
    };
    let by_file = |token: &str, hash: &str, expected: &str| {
        cluster.write("join.yaml", WAITS_BRIEFLY.replace("TOKEN", token).replace("HASH", hash));
        let file = cluster.work_dir().join("join.yaml");
        refused(&format!("--config {}", file.display()), expected);
    };
    // `init` is done before its controllers have signed: sooner every token is told to have no signature
    let signatures = "kubectl get configmap cluster-info -n kube-public -o yaml";
    cluster.until(&Cluster::on_node("master", KUBECONFIG, signatures), |text| text.contains("jws-kubeconfig-abcdef"));
    let nobodys = format!("sha256:{}", "0".repeat(64));
    let pins =
        format!("cluster CA found in cluster-info ConfigMap is invalid: none of the public keys \"{hash}\" are pinned");
    by_file("abcdef.0123456789abcdef", &nobodys, &format!("{identity}{pins}"));
    let unsigned = "could not find a JWS signature in the cluster-info ConfigMap for token ID \"aaaaaa\"";
    by_file("aaaaaa.0123456789abcdef", hash, &format!("{identity}{unsigned}"));
    let forged = "failed to verify JWS signature of received cluster info object, can't trust this API Server";
    by_file("abcdef.aaaaaaaaaaaaaaaa", hash, &format!("{identity}{forged}"));
    by_file("short", hash, "discovery.bootstrapToken.token: Invalid value: \"short\"");
    refused(
        "172.30.0.2:6443 --token abcdef.0123456789abcdef",
        "using token-based discovery without caCertHashes can be unsafe",
    );
    cluster.write("join.yaml", format!("{WAITS_BRIEFLY}nodes: 3\n"));
    refused(
        &format!("--config {}", cluster.work_dir().join("join.yaml").display()),
        "strict decoding error: unknown field \"nodes\"",
    );

    // a token that is over is taken away, and its signature with it
    cluster.ok("pintle node exec master -- pintle token create bbbbbb.0123456789abcdef --ttl 1s");
    cluster.until("pintle node exec master -- pintle token list", |text| !text.contains("bbbbbb"));
    let expired = unsigned.replace("aaaaaa", "bbbbbb");
    by_file("bbbbbb.0123456789abcdef", hash, &format!("{identity}{expired}"));

    assert_eq!(cluster.ok("pintle node exec node1 -- find /etc/kubernetes -type f 2>/dev/null || true"), "");
    cluster.ok(&format!("pintle node exec node1 -- {join}"));
    let again = cluster.refused(&format!("pintle node exec node1 -- {join}"));
    assert!(again.contains("[ERROR Port-10250]: Port 10250 is in use"), "{again}");
    assert!(
        again.contains(
            "[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists"
        ),
        "{again}"
    );
}
