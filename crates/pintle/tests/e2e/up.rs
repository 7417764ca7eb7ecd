//! `pintle up` itself: beside another cluster, interrupted, half dead, mistyped.

use crate::cluster::{Cluster, LIMIT, pause, pintle};
use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn error_of(output: &Output) -> String {
    assert!(!output.status.success(), "succeeded: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn answer(cluster: &Cluster, arguments: &[&str]) -> String {
    error_of(&cluster.pintle(arguments).output().expect("run pintle"))
}

/// The cgroups of clusters, of all hierarchies.
fn cluster_cgroups() -> BTreeSet<PathBuf> {
    let below = |directory: &Path| {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()).collect::<Vec<_>>()
    };
    let top = below(Path::new("/sys/fs/cgroup"));
    let all = top.iter().flat_map(|hierarchy| below(hierarchy)).chain(top.clone());
    let of_clusters = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("pintle-"))
    };
    all.filter(of_clusters).collect()
}

#[test]
fn down_leaves_no_cgroup_in_any_hierarchy() {
    let before = cluster_cgroups();
    let cluster = Cluster::up("master");
    cluster.ok("kubectl run p --image=nginx --image-pull-policy=Never");
    cluster.ready("p");
    assert_ne!(cluster_cgroups(), before);
    let down = cluster.pintle(&["down", "--delete"]).output().expect("run pintle");
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(cluster_cgroups(), before);
}

#[test]
fn a_second_cluster_beside_the_first() {
    let first = Cluster::up("master,node1");
    let second = Cluster::prepare();
    // a path that needs care wherever it is written into options and tables
    let directory = second.work_dir().join("second, with spaces");
    let output =
        second.pintle(&["up", "--nodes", "master,node1", "--data-dir"]).arg(&directory).output().expect("run pintle");
    let kubeconfig = directory.join("kubeconfig");
    let checked = std::panic::catch_unwind(|| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let export = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(export.trim_end(), format!("export KUBECONFIG='{}'", kubeconfig.display()));
        // what the command prints is for a shell to take over
        let names = second
            .ok(&format!("{export}kubectl create configmap only-here --from-literal=a=b; kubectl get nodes -o name"));
        assert_eq!(names, "configmap/only-here created\nnode/master\nnode/node1\n");
        assert_eq!(first.ok("kubectl get configmap only-here --ignore-not-found"), "");
        first.ok("kubectl run p --image=nginx --image-pull-policy=Never");
        first.ready("p");
    });
    let down = second.pintle(&["down", "--delete", "--data-dir"]).arg(&directory).output().expect("run pintle");
    if let Err(panic) = checked {
        std::panic::resume_unwind(panic);
    }
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert!(!directory.exists());
    first.ready("p");
    // the nodes of the first, its addresses the same as the second's were, still reach each other
    first.ok("pintle node exec node1 -- timeout 5 bash -c 'exec 3<>/dev/tcp/master/10250'");
}

#[test]
fn mistakes_are_answered_clearly() {
    let cluster = Cluster::prepare();
    let directory = cluster.data_dir();
    let none = format!("error: there is no cluster in {}; `pintle up` makes one\n", directory.display());
    for arguments in [&["down"][..], &["node", "list"], &["node", "restart", "node1"]] {
        assert_eq!(answer(&cluster, arguments), none, "{arguments:?}");
    }
    assert!(!directory.exists());
    let words = answer(&cluster, &["up", "--nodes", "master,Node_1"]);
    assert!(words.starts_with("error: --nodes: Invalid value: \"Node_1\": a node name consists of"), "{words}");
    assert_eq!(answer(&cluster, &["up", "--nodes", "a,a"]), "error: --nodes: Duplicate value: \"a\"\n");
    assert!(answer(&cluster, &["up", "--nodes", ","]).contains("must name 1 to 200 nodes, not 0"));

    let words = error_of(&as_nobody(&cluster));
    assert_eq!(words, "error: pintle up makes namespaces and mounts: run it as root\n");

    let without = cluster.pintle(&["up"]).env("PATH", "/nowhere").output().expect("run pintle");
    assert_eq!(error_of(&without), "error: nft is not installed; on Debian, type: apt-get install nftables\n");

    std::fs::create_dir_all(&directory).expect("make a directory");
    std::fs::write(directory.join("cluster.json"), "{").expect("write");
    let words = answer(&cluster, &["up"]);
    assert!(words.starts_with(&format!("error: {}/cluster.json: ", directory.display())), "{words}");
    std::fs::remove_file(directory.join("cluster.json")).expect("remove");
}

/// `pintle up` by a user who may read nothing of ours.
fn as_nobody(cluster: &Cluster) -> Output {
    let directory = tempfile::Builder::new().permissions(open_to_all()).tempdir().expect("a directory");
    let binary = directory.path().join("pintle");
    std::fs::copy(pintle(), &binary).expect("copy the binary");
    let mut command = Command::new(binary);
    command.arg("up").env("PINTLE_DATA_DIR", cluster.data_dir()).uid(65534).gid(65534);
    command.output().expect("run pintle")
}

fn open_to_all() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}

#[test]
fn a_taken_port_and_another_list_of_nodes() {
    let cluster = Cluster::up("master");
    cluster.ok("kubectl create configmap kept --from-literal=a=b");
    assert_eq!(
        answer(&cluster, &["up", "--nodes", "master,node1"]),
        format!(
            "error: the cluster in {} consists of master, not master,node1; `pintle down --delete` ends it\n",
            cluster.data_dir().display()
        )
    );
    // a second `up` finds it running
    let again = cluster.pintle(&["up"]).output().expect("run pintle");
    assert!(String::from_utf8_lossy(&again.stderr).contains("the cluster is up already"));
    cluster.ok("pintle down");

    let record = std::fs::read_to_string(cluster.data_dir().join("cluster.json")).expect("the record");
    let digits = record.split("\"api_port\":").nth(1).expect("a port").trim_matches(|c: char| !c.is_ascii_digit());
    let port: u16 = digits.parse().expect("a port");
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("take the port");
    let output = cluster.pintle(&["up"]).output().expect("run pintle");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    assert!(words.contains(&format!("127.0.0.1:{port} is taken by another program: using port ")), "{words}");
    assert_eq!(cluster.ok("kubectl get configmap kept -o name"), "configmap/kept\n");
}

#[test]
fn administrators_nodes_and_the_disk_are_looked_after() {
    let cluster = Cluster::up("master");
    let admin = cluster.node_path("master", "/etc/kubernetes/admin.conf");
    let server = cluster.ok("kubectl config view -o jsonpath='{.clusters[0].cluster.server}'");
    let asks = format!("kubectl --kubeconfig {} --server {server} auth can-i", admin.display());
    cluster.until(&format!("{asks} '*' '*' || true"), |text| text == "yes\n");
    let next = "kubectl auth can-i create certificatesigningrequests.certificates.k8s.io/selfnodeclient \
                --as system:node:master --as-group system:nodes || true";
    cluster.until(next, |text| text == "yes\n");
    cluster.write(
        "greedy.yaml",
        r#"
apiVersion: v1
kind: Pod
metadata: {name: greedy}
spec:
  restartPolicy: Never
  volumes: [{name: scratch, emptyDir: {sizeLimit: 64Ki}}]
  containers:
  - name: c
    image: busybox
    imagePullPolicy: Never
    command: [sh, -c, "dd if=/dev/zero of=/scratch/f bs=1024 count=1024; sleep 3600"]
    volumeMounts: [{name: scratch, mountPath: /scratch}]
"#,
    );
    cluster.ok("kubectl apply -f greedy.yaml");
    let status = "kubectl get pod greedy -o jsonpath='{.status.phase} {.status.reason}: {.status.message}'";
    let words = "Failed Evicted: Usage of EmptyDir volume \"scratch\" exceeds the limit \"64Ki\". ";
    cluster.until(status, |text| text == words);
}

#[test]
fn two_that_start_at_once_have_two_ports() {
    let clusters = [Cluster::prepare(), Cluster::prepare()];
    let started = clusters.each_ref().map(|cluster| {
        let mut up = cluster.pintle(&["up", "--nodes", "master"]);
        up.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("run pintle")
    });
    for up in started {
        let output = up.wait_with_output().expect("wait for pintle");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let servers =
        clusters.each_ref().map(|cluster| cluster.ok("kubectl config view -o jsonpath={.clusters[0].cluster.server}"));
    assert_ne!(servers[0], servers[1]);
    clusters.iter().for_each(|cluster| assert_eq!(cluster.ok("kubectl get nodes -o name"), "node/master\n"));
}

fn start_up(cluster: &Cluster) -> Child {
    let mut up = cluster.pintle(&["up", "--nodes", "master,node1"]);
    up.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("run pintle")
}

/// Waits until `up` has come so far that this file is there.
fn wait_for(cluster: &Cluster, file: &str) {
    let clock = clock::system();
    let started = clock.monotonic();
    while !cluster.data_dir().join(file).exists() {
        assert!(clock.monotonic().saturating_sub(started) < LIMIT, "{file} did not come");
        pause();
    }
}

fn is_stopped(cluster: &Cluster) -> bool {
    let list = cluster.ok("pintle node list");
    list.matches("Stopped").count() == 2
}

#[test]
fn interrupted_and_killed_in_the_middle() {
    let cluster = Cluster::prepare();
    // Ctrl-C takes back what was begun, wherever it comes
    for file in ["cluster.json", "run/switch.net", "log/supervisor.log"] {
        let up = start_up(&cluster);
        wait_for(&cluster, file);
        let signalled = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(up.id()).expect("a pid")),
            nix::sys::signal::Signal::SIGINT,
        );
        signalled.expect("send SIGINT");
        let words = error_of(&up.wait_with_output().expect("the end of up"));
        assert!(
            words.ends_with("error: interrupted; the cluster is down again, and `pintle up` starts it\n"),
            "{words}"
        );
        assert!(is_stopped(&cluster), "after {file}");
        cluster.ok("pintle down --delete");
    }
    // one that was killed leaves things half made, which the next one finishes
    for file in ["run/switch.net", "run/supervisor.pid"] {
        let mut up = start_up(&cluster);
        wait_for(&cluster, file);
        up.kill().expect("kill up");
        up.wait().expect("the end of up");
        cluster.start(&[]);
        cluster.ok("pintle down --delete");
    }
    // a machine that lost its power: pid files and marks of namespaces are there, nothing else is
    cluster.start(&["--nodes", "master,node1"]);
    let supervisor = cluster.pid("supervisor");
    cluster.ok("pintle down");
    std::fs::write(cluster.data_dir().join("run/supervisor.pid"), &supervisor).expect("write");
    std::fs::write(cluster.data_dir().join("run/master.net"), "").expect("write");
    std::fs::write(cluster.data_dir().join("run/switch.net"), "").expect("write");
    cluster.start(&[]);
    cluster.until("kubectl get nodes --no-headers", |text| text.matches(" Ready ").count() == 2);

    // two at once: one works, the other says so
    cluster.ok("pintle down");
    let up = start_up(&cluster);
    wait_for(&cluster, "run/supervisor.pid");
    let words = answer(&cluster, &["down"]);
    assert!(words.contains("another `pintle up` or `pintle down` is at work in"), "{words}");
    assert!(up.wait_with_output().expect("the end of up").status.success());
}
