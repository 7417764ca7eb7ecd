//! `kill -9` while pods run: no container starts anew, nothing that was acknowledged is lost, everything converges.

use crate::cluster::Cluster;

/// Pods of this file: a plain one on each worker, and a static one.
const PODS: [&str; 3] = ["one", "two", "web-node1"];

fn cluster_with_pods() -> Cluster {
    let cluster = Cluster::up("master,node1,node2");
    cluster.ok("for pod in one two; do kubectl run $pod --image=nginx --image-pull-policy=Never; done");
    cluster.ok("kubectl run web --image=nginx --image-pull-policy=Never --dry-run=client -o yaml > web.yaml");
    cluster.ok("pintle node exec node1 -- tee /etc/kubernetes/manifests/web.yaml < web.yaml");
    PODS.iter().for_each(|pod| cluster.ready(pod));
    cluster
}

/// Names, uids, containers and restarts of all pods.
fn picture(cluster: &Cluster) -> String {
    let item = "{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount}";
    cluster.ok(&format!(r#"kubectl get pods -o jsonpath='{{range .items[*]}}{item}{{"\n"}}{{end}}'"#))
}

/// The cluster does new work on every node, and the old pods are as they were.
fn works_as_before(cluster: &Cluster, before: &str) {
    cluster.until("kubectl get nodes --no-headers", |text| text.matches(" Ready ").count() == 3);
    for node in ["node1", "node2"] {
        let overrides = format!(r#"{{"spec":{{"nodeName":"{node}"}}}}"#);
        cluster.until(
            &format!("kubectl run new-{node} --image=nginx --image-pull-policy=Never --overrides='{overrides}'"),
            |_| true,
        );
        cluster.ready(&format!("new-{node}"));
    }
    cluster.ok("kubectl delete pod new-node1 new-node2");
    PODS.iter().for_each(|pod| cluster.ready(pod));
    assert_eq!(picture(cluster), before);
    for node in ["node1", "node2"] {
        let exec = format!(
            "kubectl exec $(kubectl get pods -o name --field-selector=spec.nodeName={node} | head -1) -- cat /etc/hostname"
        );
        assert!(!cluster.ok(&exec).is_empty());
    }
}

fn kill(cluster: &Cluster, components: &[&str]) {
    let pids: Vec<String> = components.iter().map(|component| cluster.pid(component)).collect();
    cluster.ok(&format!("kill -9 {}", pids.join(" ")));
    for (component, pid) in components.iter().zip(&pids) {
        // the supervisor notices, and writes the next one's pid
        if *component != "supervisor" {
            let path = cluster.data_dir().join("run").join(format!("{component}.pid"));
            cluster.until("true", |_| std::fs::read_to_string(&path).is_ok_and(|now| now != *pid));
        }
    }
}

/// Writes until the API server stops answering; returns how many writes it acknowledged.
fn write_until_killed(cluster: &Cluster) -> usize {
    let writer =
        "i=0; while [ $i -lt 1000 ]; do kubectl create configmap c-$i --from-literal=n=$i || break; i=$((i+1)); done";
    let writing = std::thread::scope(|scope| {
        let writes = scope.spawn(|| cluster.shell(writer));
        cluster.until("kubectl get configmaps -o name", |text| text.contains("configmap/c-3\n"));
        cluster.ok(&format!("kill -9 {}", cluster.pid("server")));
        writes.join().expect("the writer")
    });
    String::from_utf8_lossy(&writing.stdout).lines().count()
}

#[test]
fn kill_9_of_components() {
    let cluster = cluster_with_pods();
    let before = picture(&cluster);

    let acknowledged = write_until_killed(&cluster);
    assert!(acknowledged > 3, "{acknowledged} writes");
    let names = cluster.until("kubectl get configmaps -o name", |text| text.contains("c-0"));
    let missing: Vec<usize> = (0..acknowledged).filter(|i| !names.contains(&format!("configmap/c-{i}\n"))).collect();
    assert!(missing.is_empty(), "of {acknowledged} acknowledged writes {missing:?} are lost");
    works_as_before(&cluster, &before);

    kill(&cluster, &["kubelet-node1"]);
    works_as_before(&cluster, &before);

    kill(&cluster, &["server", "kubelet-master", "kubelet-node1", "kubelet-node2"]);
    works_as_before(&cluster, &before);

    // the supervisor takes its components with it, so that nothing goes on half; the pods stay
    cluster.ok(&format!("kill -9 {}", cluster.pid("supervisor")));
    cluster.start(&[]);
    works_as_before(&cluster, &before);

    // `up` meets a supervisor that ends while the API server is waited for
    let supervisor = cluster.pid("supervisor");
    cluster.ok(&format!("kill -STOP {supervisor}; kill -9 {}", cluster.pid("server")));
    std::thread::scope(|scope| {
        let up = scope.spawn(|| cluster.ok("pintle up 2> up.log"));
        cluster.until("cat up.log", |text| text.contains("the cluster is up already"));
        cluster.ok(&format!("kill -9 {supervisor}"));
        assert!(up.join().expect("pintle up").contains("export KUBECONFIG="));
    });
    let said = cluster.ok("cat up.log");
    assert!(said.contains("it has just ended, and is started again") && !said.contains("is taken"), "{said}");
    works_as_before(&cluster, &before);
}

#[test]
fn down_and_up_keeps_the_state() {
    let cluster = cluster_with_pods();
    cluster.ok("kubectl create configmap kept --from-literal=a=b; kubectl label node node2 cloud=666");
    let uids = "kubectl get pods -o jsonpath='{.items[*].metadata.uid}'";
    let before = cluster.ok(uids);
    let code = |command: &str| cluster.shell(&format!("pintle node exec node1 -- {command}")).status.code();
    assert_eq!((code("sh -c 'exit 3'"), code("nosuchcmd"), code("/etc/hosts")), (Some(3), Some(127), Some(126)));
    cluster.ok("pintle down");
    let list = cluster.ok("pintle node list");
    assert_eq!(list.matches("Stopped").count(), 3, "{list}");
    assert!(cluster.refused("pintle node exec node1 -- true").contains("`pintle up` starts it"));

    cluster.start(&[]);
    assert_eq!(cluster.ok("kubectl get configmap kept -o jsonpath={.data.a}"), "b");
    assert_eq!(cluster.ok("kubectl get nodes -l cloud=666 -o name"), "node/node2\n");
    PODS.iter().for_each(|pod| cluster.ready(pod));
    assert_eq!(cluster.ok(uids), before);
    // as after a machine's reboot: the same pods, their containers started once more
    let restarts = cluster.ok("kubectl get pods -o jsonpath='{.items[*].status.containerStatuses[*].restartCount}'");
    assert_eq!(restarts, "1 1 1");
}
