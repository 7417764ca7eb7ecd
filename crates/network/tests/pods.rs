//! Two nodes on a switch, a pod on each: what reaches what. Everything lives in namespaces that the test makes; needs
//! root and `nft`.

use network::{Cidr, HostPort, Namespace, NodeLink, NodeRoute, PodNetwork, PodNetworkConfig, Protocol, Switch};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Namespaces that vanish with the test, also when it fails.
struct Hosts {
    directory: tempfile::TempDir,
}

impl Hosts {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in ["switch", "node1", "node2", "pod1", "pod2"] {
            let _ = Namespace::remove(&self.path(name));
        }
    }
}

const LIMIT: Duration = Duration::from_secs(5);

/// Listens inside `namespace`, connects from inside `from`, and returns the peer address that the listener saw.
fn reach(listener: TcpListener, from: &Path, to: SocketAddr) -> std::io::Result<SocketAddr> {
    let server = std::thread::spawn(move || -> std::io::Result<SocketAddr> {
        let (mut stream, peer) = listener.accept()?;
        stream.write_all(b"hello")?;
        Ok(peer)
    });
    let from = Namespace::open(from).unwrap();
    let mut stream = from.run(|| TcpStream::connect_timeout(&to, LIMIT)).unwrap()?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    assert_eq!(text, "hello");
    server.join().unwrap()
}

fn listen(namespace: &Path, address: &str) -> TcpListener {
    Namespace::open(namespace).unwrap().run(|| TcpListener::bind(address)).unwrap().unwrap()
}

/// Runs `action` on a thread that lives inside `node`, as a kubelet does.
fn on_node<T: Send>(node: &Path, action: impl AsyncFnOnce() -> T + Send) -> T {
    let node = Namespace::open(node).unwrap();
    node.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(action())
    })
    .unwrap()
}

fn config(hosts: &Hosts, number: u8) -> PodNetworkConfig {
    PodNetworkConfig {
        bridge: "cni0".into(),
        pod_cidr: format!("10.244.{number}.0/24").parse().unwrap(),
        cluster_cidr: "10.244.0.0/16".parse().unwrap(),
        state_dir: hosts.path(&format!("state{number}")),
    }
}

fn route(number: u8) -> NodeRoute {
    let destination: Cidr = format!("10.244.{number}.0/24").parse().unwrap();
    NodeRoute { destination, gateway: Ipv4Addr::new(172, 30, 0, number) }
}

#[test]
fn pods_nodes_and_host_ports_reach_each_other() {
    let hosts = Hosts { directory: tempfile::tempdir().unwrap() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let switch = Switch::ensure(&hosts.path("switch")).await.unwrap();
        for number in [1, 2] {
            let link = NodeLink {
                namespace: hosts.path(&format!("node{number}")),
                port: format!("node{number}"),
                address: Ipv4Addr::new(172, 30, 0, number),
                prefix_len: 24,
            };
            switch.attach(&link).await.unwrap();
            switch.attach(&link).await.unwrap();
        }
    });
    let port = HostPort { host_port: 8080, container_port: 80, protocol: Protocol::Tcp };
    let addresses: Vec<Ipv4Addr> = [1u8, 2]
        .iter()
        .map(|&number| {
            let pod = hosts.path(&format!("pod{number}"));
            Namespace::create(&pod).unwrap();
            on_node(&hosts.path(&format!("node{number}")), async || {
                let network = PodNetwork::open(config(&hosts, number)).await.unwrap();
                network.set_node_routes(&[route(3 - number)]).await.unwrap();
                network.set_node_routes(&[route(3 - number)]).await.unwrap();
                let first = network.setup("0123456789abcdef", &pod, std::slice::from_ref(&port)).await.unwrap();
                let again = network.setup("0123456789abcdef", &pod, std::slice::from_ref(&port)).await.unwrap();
                assert_eq!(first, again);
                first
            })
        })
        .collect();
    assert_eq!(addresses, [Ipv4Addr::new(10, 244, 1, 2), Ipv4Addr::new(10, 244, 2, 2)]);

    let (pod1, pod2) = (hosts.path("pod1"), hosts.path("pod2"));
    let seen = reach(listen(&pod2, "0.0.0.0:80"), &pod1, (addresses[1], 80).into()).unwrap();
    assert_eq!(seen.ip(), addresses[0], "pods see each other's own addresses across nodes");
    let seen = reach(listen(&hosts.path("node2"), "0.0.0.0:81"), &pod1, ([172, 30, 0, 2], 81).into()).unwrap();
    assert_eq!(seen.ip(), Ipv4Addr::new(172, 30, 0, 1), "what leaves the cluster's range is masqueraded");
    for (from, to) in [
        ("node1", [172, 30, 0, 2]), // from outside the node
        ("node2", [127, 0, 0, 1]),  // from the node itself
        ("pod2", [172, 30, 0, 2]),  // from the pod itself
    ] {
        reach(listen(&pod2, "0.0.0.0:80"), &hosts.path(from), (to, 8080).into()).unwrap();
    }

    // a restarted kubelet finds everything as it was, and host ports still work
    on_node(&hosts.path("node2"), async || {
        let network = PodNetwork::open(config(&hosts, 2)).await.unwrap();
        assert_eq!(network.address_of("0123456789abcdef").await, Some(addresses[1]));
    });
    reach(listen(&pod2, "0.0.0.0:80"), &hosts.path("node1"), ([172, 30, 0, 2], 8080).into()).unwrap();
    on_node(&hosts.path("node2"), async || {
        let network = PodNetwork::open(config(&hosts, 2)).await.unwrap();
        network.teardown("0123456789abcdef").await.unwrap();
        network.teardown("0123456789abcdef").await.unwrap();
        assert_eq!(network.sandboxes().await, Vec::<String>::new());
    });
    let refused = Namespace::open(&hosts.path("node1")).unwrap();
    let refused = refused.run(|| TcpStream::connect_timeout(&([172, 30, 0, 2], 8080).into(), LIMIT)).unwrap();
    assert!(refused.is_err(), "a closed host port leads nowhere");
}
