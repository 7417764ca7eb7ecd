//! Static pods on a node of `up`: from a file dropped in to a file taken out, with and without an API server, and with
//! the directory moved.

use crate::cluster::Cluster;

const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// What the API server shows of a pod's identity and of its process.
const IDENTITY: &str = "kubectl get pod web-node1 -o jsonpath='{.metadata.uid}'";

fn manifest(argument: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "web", "labels": {{"argument": "{argument}"}}}},
            "spec": {{"terminationGracePeriodSeconds": 1, "containers": [{{"name": "web", "image": "busybox", "imagePullPolicy": "Never",
            "command": ["sh", "-c", "echo {argument} >> /log/starts; sleep 100000"],
            "volumeMounts": [{{"name": "log", "mountPath": "/log"}}]}}],
            "volumes": [{{"name": "log", "hostPath": {{"path": "/etc/starts", "type": "DirectoryOrCreate"}}}}]}}}}"#
    )
}

fn drop_in(cluster: &Cluster, directory: &str, argument: &str) {
    let name = format!("{argument}.json");
    cluster.write(&name, manifest(argument));
    cluster.ok(&format!("pintle node exec node1 -- tee {directory}/web.json < {name}"));
}

fn take_out(cluster: &Cluster, directory: &str) {
    cluster.ok(&format!("pintle node exec node1 -- rm {directory}/web.json"));
    gone(cluster);
}

fn gone(cluster: &Cluster) {
    cluster.until("kubectl get pods -o name", str::is_empty);
}

/// Every start that the pod's containers have written down on the node.
fn starts(cluster: &Cluster) -> Vec<String> {
    let text = std::fs::read_to_string(cluster.node_path("node1", "/etc/starts/starts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn cut_off(cluster: &Cluster, cut: bool) {
    let rules = "table inet cut { chain output { type filter hook output priority 0; tcp dport 6443 reject with tcp reset; }; }";
    let command = if cut { format!("nft '{rules}'") } else { "nft delete table inet cut".to_owned() };
    cluster.ok(&format!("pintle node exec node1 -- {command}"));
}

#[test]
fn a_file_is_a_pod() {
    let cluster = Cluster::up("master,node1");

    drop_in(&cluster, MANIFESTS, "first");
    cluster.ready("web-node1");
    let (uid, id) = (cluster.ok(IDENTITY), cluster.container_ids("web-node1"));

    // an edited file is another pod; the old one ends first
    drop_in(&cluster, MANIFESTS, "second");
    cluster.until("kubectl get pod web-node1 --show-labels --no-headers", |line| {
        line.contains("argument=second") && line.contains("1/1")
    });
    assert_ne!(cluster.ok(IDENTITY), uid);
    assert_ne!(cluster.container_ids("web-node1"), id);
    assert_eq!(starts(&cluster), ["first", "second"]);

    // deleting what the API server shows deletes a picture
    let (uid, id) = (cluster.ok(IDENTITY), cluster.container_ids("web-node1"));
    cluster.ok("kubectl delete pod web-node1");
    cluster.until(IDENTITY, |now| !now.is_empty() && now != uid);
    cluster.ready("web-node1");
    assert_eq!(cluster.container_ids("web-node1"), id);

    take_out(&cluster, MANIFESTS);
    assert_eq!(starts(&cluster), ["first", "second"]);
}

#[test]
fn no_api_server_is_needed() {
    let cluster = Cluster::up("master,node1");
    drop_in(&cluster, MANIFESTS, "before");
    cluster.ready("web-node1");
    take_out(&cluster, MANIFESTS);

    // refused connections, for a kubelet that runs and for one that starts
    cut_off(&cluster, true);
    drop_in(&cluster, MANIFESTS, "refused");
    cluster.until("true", |_| starts(&cluster) == ["before", "refused"]);
    cluster.ok("pintle node restart node1");
    drop_in(&cluster, MANIFESTS, "restarted");
    cluster.until("true", |_| starts(&cluster) == ["before", "refused", "restarted"]);
    assert_eq!(cluster.ok("kubectl get pods -o name"), "");
    cut_off(&cluster, false);
    cluster.until("kubectl get pod web-node1 --show-labels --no-headers", |line| line.contains("argument=restarted"));
    cluster.ready("web-node1");
    take_out(&cluster, MANIFESTS);

    // an API server that takes connections and says nothing
    let server = cluster.pid("server");
    cluster.ok(&format!("kill -STOP {server}"));
    drop_in(&cluster, MANIFESTS, "hanging");
    cluster.until("true", |_| starts(&cluster).last().is_some_and(|last| last == "hanging"));
    cluster.ok(&format!("kill -CONT {server}"));
    cluster.ready("web-node1");
    assert_eq!(starts(&cluster), ["before", "refused", "restarted", "hanging"]);
}

#[test]
fn the_directory_can_be_moved() {
    let cluster = Cluster::up("master,node1");
    cluster.ok("kubectl run other --image=busybox --image-pull-policy=Never -- sleep 100000");
    cluster.ready("other");
    let other = cluster.container_ids("other");
    drop_in(&cluster, MANIFESTS, "default");
    cluster.ready("web-node1");

    // by the drop-in: the pods of the old directory go, those of the new one come
    let drop_in_file = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf";
    cluster.ok("pintle node exec node1 -- mkdir -p /etc/flag.d");
    cluster.ok(&format!(
        r#"pintle node exec node1 -- sed -i 's|^ExecStart=$|Environment="KUBELET_EXTRA_ARGS=--pod-manifest-path=/etc/flag.d"\n&|' {drop_in_file}"#
    ));
    cluster.ok("pintle node restart node1");
    cluster.until("kubectl get pods -o name", |text| text == "pod/other\n");
    drop_in(&cluster, "/etc/flag.d", "flag");
    cluster.ready("web-node1");

    // by the configuration file, once the flag, which wins, is gone
    cluster.ok("pintle node exec node1 -- mkdir -p /etc/file.d");
    let config = "/var/lib/kubelet/config.yaml";
    cluster.ok(&format!("pintle node exec node1 -- sed -i 's|{MANIFESTS}|/etc/file.d|' {config}"));
    cluster.ok("pintle node restart node1");
    cluster.ready("web-node1");
    cluster.ok(&format!("pintle node exec node1 -- sed -i /KUBELET_EXTRA_ARGS=--pod/d {drop_in_file}"));
    cluster.ok("pintle node restart node1");
    cluster.until("kubectl get pods -o name", |text| text == "pod/other\n");
    drop_in(&cluster, "/etc/file.d", "file");
    cluster.ready("web-node1");
    assert_eq!(starts(&cluster), ["default", "flag", "file"]);
    assert_eq!(cluster.container_ids("other"), other);
}
