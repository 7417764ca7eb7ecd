//! Objects in etcd: as a static pod with kubeadm's certificates, as somebody else's, and below two servers at once.

#[path = "../../../store/tests/etcd_server/mod.rs"]
mod etcd_server;

use crate::cluster::Cluster;
use crate::kubeadm::{KUBECONFIG, control_plane, is_clean};
use etcd_server::EtcdServer;
use std::process::Child;

const CONTROL_PLANE: [&str; 4] =
    ["etcd-master", "kube-apiserver-master", "kube-controller-manager-master", "kube-scheduler-master"];

/// A command typed on `master` with the administrator's kubeconfig.
fn on_master(command: &str) -> String {
    Cluster::on_node("master", KUBECONFIG, command)
}

/// Waits until these pods of kube-system, and no others, are ready.
fn are_ready(cluster: &Cluster, names: &[&str]) {
    let ready: String = names.iter().map(|name| format!("{name} 1/1 Running\n")).collect();
    let columns = "kubectl get pods -n kube-system --no-headers | awk '{print $1, $2, $3}'";
    cluster.until(&on_master(columns), |text| text == ready);
}

#[test]
fn a_local_etcd_is_a_static_pod_with_certificates_of_its_own() {
    let cluster = control_plane("master", "--etcd=local");
    are_ready(&cluster, &CONTROL_PLANE);
    let files = cluster.ok(&on_master("cd /etc/kubernetes/pki; ls etcd/*.crt *etcd*.crt"));
    let expected =
        "apiserver-etcd-client.crt\netcd/ca.crt\netcd/healthcheck-client.crt\netcd/peer.crt\netcd/server.crt\n";
    assert_eq!(files, expected);
    let labels = "kubectl get pod etcd-master -n kube-system -o jsonpath='{.metadata.labels}'";
    assert_eq!(cluster.ok(&on_master(labels)), r#"{"component":"etcd","tier":"control-plane"}"#);
    let expiration = cluster.ok(&on_master("pintle certs check-expiration"));
    for row in ["apiserver-etcd-client ", "etcd-healthcheck-client ", "etcd-peer ", "etcd-server ", "etcd-ca "] {
        assert!(expiration.contains(&format!("\n{row}")), "{row}: {expiration}");
    }

    // without its manifest there is no etcd, and the API server says so; with it, everything is as it was
    cluster.ok(&on_master("kubectl create configmap kept --from-literal=a=b"));
    cluster.ok(&on_master("mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/"));
    let ready = on_master("kubectl get --raw '/readyz?verbose' 2>&1 || true");
    cluster.until(&ready, |text| text.contains("[-]etcd-readiness failed: reason withheld"));
    cluster.ok(&on_master("mv /etc/kubernetes/etcd.yaml /etc/kubernetes/manifests/"));
    cluster.until(&ready, |text| text.contains("[+]etcd-readiness ok"));
    cluster.until(&on_master("kubectl get configmap kept -o jsonpath={.data.a}"), |text| text == "b");

    let reset = cluster.ok(&on_master("pintle reset -f"));
    assert!(reset.contains("Deleting contents of stateful directories: [/var/lib/etcd]"), "{reset}");
    assert_eq!(cluster.ok(&on_master("find /var/lib/etcd -mindepth 1")), "");
    is_clean(&cluster, "master");
}

#[test]
fn an_etcd_elsewhere_is_used_and_left_alone_by_reset() {
    let cluster = Cluster::prepare();
    cluster.ok("pintle up --bare --nodes master,node1");
    let data = cluster.work_dir().join("etcd");
    let etcd = format!(
        "etcd --data-dir {0} --listen-client-urls http://172.30.0.3:2379 --advertise-client-urls http://172.30.0.3:2379 \
         --log-level warn > {0}.log 2>&1 &",
        data.display()
    );
    cluster.ok(&Cluster::on_node("node1", "", &etcd));
    let init = "pintle init --datastore-endpoint http://172.30.0.3:2379";
    cluster.ok(&on_master(init));
    are_ready(&cluster, &CONTROL_PLANE[1..]);
    cluster.ok(&on_master("kubectl create configmap kept --from-literal=a=b"));
    let configuration = "kubectl get configmap kubeadm-config -n kube-system -o jsonpath={.data.ClusterConfiguration}";
    let configuration = cluster.ok(&on_master(configuration));
    assert!(configuration.contains("endpoints:\n    - http://172.30.0.3:2379\n"), "{configuration}");

    let reset = cluster.ok(&on_master("pintle reset -f"));
    assert!(!reset.contains("stateful"), "{reset}");
    is_clean(&cluster, "master");
    // another control plane finds what the first one left there
    cluster.ok(&on_master(init));
    assert_eq!(cluster.ok(&on_master("kubectl get configmap kept -o jsonpath={.data.a}")), "b");
}

/// A process of this test, which goes with it.
struct Running(Child);

impl Running {
    /// `kill -9`
    fn kill(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Leases that are short, so that the next leader need not be waited for.
const ELECTION: &str =
    "--leader-elect-lease-duration=4s --leader-elect-renew-deadline=3s --leader-elect-retry-period=500ms";

/// Starts a server on this address of the loopback net; 0: any port.
fn server(cluster: &Cluster, etcd: &EtcdServer, address: &str, port: &str) -> Running {
    let directory = cluster.work_dir().join(address);
    let words = format!(
        "pintle server --disable-agent --data-dir {0} --bind-address {address} --advertise-address {address} \
         --secure-port {port} --datastore-endpoint {1} --write-kubeconfig {0}.conf {ELECTION}",
        directory.display(),
        etcd.endpoint()
    );
    let running = Running(cluster.spawn(&words));
    cluster.until(&format!("kubectl --kubeconfig {address}.conf get --raw /readyz"), |text| text == "ok");
    running
}

/// Who leads.
fn holders(cluster: &Cluster, kubeconfig: &str) -> String {
    let lease = |name: &str| {
        format!(
            "kubectl --kubeconfig {kubeconfig} get lease {name} -n kube-system -o jsonpath={{.spec.holderIdentity}}"
        )
    };
    let of = |name: &str| cluster.until(&lease(name), |text| !text.is_empty());
    format!("{} {}", of("kube-scheduler"), of("kube-controller-manager"))
}

#[test]
fn of_two_servers_on_one_etcd_either_may_die() {
    let etcd = EtcdServer::start(&[]).expect("etcd: apt-get install etcd-server");
    let cluster = Cluster::prepare();
    let mut first = server(&cluster, &etcd, "127.0.0.1", "0");
    let url = cluster.ok("kubectl --kubeconfig 127.0.0.1.conf config view -o jsonpath='{.clusters[0].cluster.server}'");
    let port = url.rsplit(':').next().expect("a port").to_owned();
    // what servers of one cluster have in common
    cluster.ok("mkdir -p 127.0.0.2/pki; cp 127.0.0.1/pki/{ca,front-proxy-ca}.* 127.0.0.1/pki/sa.* 127.0.0.2/pki/");
    let second = server(&cluster, &etcd, "127.0.0.2", &port);

    let kubectl = |n: u8, words: &str| format!("kubectl --kubeconfig 127.0.0.{n}.conf {words}");
    let addresses = |n| kubectl(n, "get endpoints kubernetes -o jsonpath='{.subsets[0].addresses[*].ip}' 2>/dev/null");
    cluster.until(&addresses(1), |text| text == "127.0.0.1 127.0.0.2");
    let before = holders(&cluster, "127.0.0.1.conf");
    // the leading scheduler judges the pod, the leading controllers make the account without which there is none
    let work = |n: u8, name: &str| {
        cluster.ok(&kubectl(n, &format!("create namespace {name}")));
        cluster.until(&kubectl(n, &format!("get serviceaccount default -n {name} -o name 2>/dev/null")), |text| {
            text == "serviceaccount/default\n"
        });
        cluster.ok(&kubectl(n, &format!("run pod -n {name} --image=nginx")));
        let reason = r#"{.status.conditions[?(@.type=="PodScheduled")].reason}"#;
        cluster.until(&kubectl(n, &format!("get pod pod -n {name} -o jsonpath='{reason}'")), |text| {
            text == "Unschedulable"
        });
    };
    work(2, "one");
    assert_eq!(holders(&cluster, "127.0.0.2.conf"), before, "who leads goes on leading");

    first.kill();
    cluster.until(&addresses(2), |text| text == "127.0.0.2");
    work(2, "two");
    let after = holders(&cluster, "127.0.0.2.conf");
    for (before, after) in before.split(' ').zip(after.split(' ')) {
        assert_ne!(before, after, "another leads now");
    }
    drop(second);
}
