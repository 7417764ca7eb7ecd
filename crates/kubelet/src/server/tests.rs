//! The whole server over TLS: who gets in, and what the paths answer.

use super::*;
use bytes::Bytes;
use certs::KeyCertificate;
use certs::KubeconfigFile;
use clock::SharedClock;
use expect_test::{Expect, expect};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use runtime::fake::FakeRuntime;
use runtime::service::{ContainerId, RuntimeService, SandboxId};
use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Pretended {
    runtime: Arc<FakeRuntime>,
    log: tempfile::NamedTempFile,
}

impl PodAccess for Pretended {
    fn pods(&self) -> Vec<Arc<Pod>> {
        let status = |name: &str, state: serde_json::Value| json!({"name": name, "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state});
        let statuses =
            [status("c", json!({"running": {}})), status("slow", json!({"waiting": {"reason": "ContainerCreating"}}))];
        let pod = json!({
            "metadata": {"namespace": "a", "name": "p", "uid": "u"},
            "spec": {"containers": [{"name": "c"}, {"name": "slow"}]},
            "status": {"containerStatuses": statuses},
        });
        vec![Arc::new(serde_json::from_value(pod).unwrap())]
    }

    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.pods().into_iter().rfind(|_| (namespace, name) == ("a", "p"))
    }

    fn container(&self, _: &str, _: &str, container: &str, previous: bool) -> Option<ContainerInstance> {
        let id = ContainerId("none".to_owned());
        let instance = ContainerInstance { id, log_path: self.log.path().to_owned(), running: true };
        Some(instance).filter(|_| container == "c" && !previous)
    }

    fn sandbox(&self, _: &str, _: &str) -> Option<SandboxId> {
        None
    }

    fn runtime(&self) -> Arc<dyn RuntimeService> {
        self.runtime.clone()
    }
}

struct Cluster {
    pki: certs::Pki,
    address: SocketAddr,
    clock: SharedClock,
    _dir: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

async fn cluster() -> Cluster {
    let clock = clock::system();
    let dir = tempfile::tempdir().unwrap();
    let config = certs::PkiConfig {
        node_name: "n1".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        service_address: "10.96.0.1".to_owned(),
        extra_names: Vec::new(),
        etcd_names: Vec::new(),
    };
    let pki = certs::ensure(dir.path(), &config, clock.now()).unwrap();
    let serving = pki.kubelet_serving("n1", &["127.0.0.1".to_owned()], clock.now()).unwrap();
    let serving = certs::ShownCertificate::new(&serving).unwrap();
    let ca = pki.authority.certificate_pem().to_owned();
    let server = bind(ServerConfig::new("127.0.0.1:0".parse().unwrap(), serving, ca)).await.unwrap();
    let address = server.address();
    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(log.path(), "2026-01-01T00:00:00.000000000Z stdout F hello\n").unwrap();
    let access = Arc::new(Pretended { runtime: Arc::new(FakeRuntime::new(clock.clone())), log });
    let stop = CancellationToken::new();
    tokio::spawn(server.run(access, clock.clone(), stop.clone()));
    Cluster { pki, address, clock, _dir: dir, _stop: stop.drop_guard() }
}

impl Cluster {
    async fn get(&self, pair: Option<&KeyCertificate>, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let tls = certs::client_config(self.pki.authority.certificate_pem(), pair, &[b"http/1.1"]).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.unwrap();
        let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        let mut request = http::Request::builder().method(method).uri(path).header("host", "n1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let code = response.status().as_u16();
        let protocol = response.headers().get("sec-websocket-protocol").cloned();
        if code == 101 {
            return format!("101 {}", protocol.unwrap().to_str().unwrap());
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        format!("{code} {}", String::from_utf8_lossy(&body).trim_end())
    }

    async fn check(&self, method: &str, path: &str, headers: &[(&str, &str)], want: Expect) {
        let pair = self.pki.api_server_kubelet_client.clone();
        want.assert_eq(&self.get(Some(&pair), method, path, headers).await);
    }
}

#[tokio::test]
async fn only_the_api_server_and_administrators_get_in() {
    let cluster = cluster().await;
    let issue = |file: KubeconfigFile| cluster.pki.authority.issue(&file.issue(), cluster.clock.now()).unwrap();
    let nobody = cluster.get(None, "GET", "/pods", &[]).await;
    let token = cluster.get(None, "GET", "/pods", &[("authorization", "Bearer x")]).await;
    assert_eq!([nobody.as_str(), token.as_str()], ["401 Unauthorized", "401 Unauthorized"]);
    let node = issue(KubeconfigFile::Kubelet("n2".to_owned()));
    expect!["403 Forbidden (user=system:node:n2, verb=create, resource=nodes, subresource(s)=[proxy])"]
        .assert_eq(&cluster.get(Some(&node), "POST", "/exec/a/p/c?command=sh", &[]).await);
    let boss = issue(KubeconfigFile::SuperAdmin);
    assert_eq!(cluster.get(Some(&boss), "GET", "/healthz", &[]).await, "200 ok");
    cluster.check("GET", "/healthz", &[], expect!["200 ok"]).await;
}

#[tokio::test]
async fn paths() {
    let cluster = cluster().await;
    let log = "/containerLogs/a/p/c";
    cluster.check("GET", log, &[], expect!["200 hello"]).await;
    cluster.check("GET", "/containerLogs/a/p/u/c", &[], expect!["200 hello"]).await;
    cluster
        .check(
            "GET",
            "/containerLogs/a/p/slow",
            &[],
            expect![[r#"400 container "slow" in pod "p" is waiting to start: ContainerCreating"#]],
        )
        .await;
    cluster
        .check(
            "GET",
            "/containerLogs/a/p/c?previous=true",
            &[],
            expect![[r#"400 previous terminated container "c" in pod "p" not found"#]],
        )
        .await;
    cluster.check("GET", "/containerLogs/a/q/c", &[], expect!["404 pod does not exist"]).await;
    cluster.check("GET", "/containerLogs/a/p/other-uid/c", &[], expect!["404 pod does not exist"]).await;
    cluster.check("GET", "/nothing", &[], expect!["404 404 page not found"]).await;
    cluster.check("POST", "/pods", &[], expect!["404 404 page not found"]).await;
    cluster
        .check(
            "POST",
            "/exec/a/p/c?command=sh",
            &[],
            expect!["400 you must specify at least 1 of stdin, stdout, stderr"],
        )
        .await;
    cluster.check("POST", "/exec/a/p/c?output=1", &[], expect!["400 you must specify a command"]).await;
    cluster
        .check(
            "POST",
            "/exec/a/p/c?output=1&command=sh",
            &[],
            expect!["400 unable to upgrade: missing upgrade headers in request"],
        )
        .await;
    cluster
        .check("POST", "/exec/a/p/slow?output=1&command=sh", &[], expect![[r#"500 container not found ("slow")"#]])
        .await;
    cluster.check("POST", "/attach/a/p/slow?output=1", &[], expect!["500 container slow not found in pod p_a"]).await;
    cluster
        .check(
            "POST",
            "/attach/a/p/c?output=1&tty=1",
            &[],
            expect!["400 Unable to use a TTY - container c did not allocate one"],
        )
        .await;
    cluster
        .check("GET", "/portForward/a/p", &[], expect!["404 unable to do port forwarding: pod p_a is not running"])
        .await;
}

#[tokio::test]
async fn protocols() {
    let cluster = cluster().await;
    let path = "/exec/a/p/c?output=1&command=sh";
    let headers = |protocol: &'static str| {
        [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "x"),
            ("sec-websocket-protocol", protocol),
        ]
    };
    cluster
        .check("GET", path, &headers("v4.channel.k8s.io, v5.channel.k8s.io"), expect!["101 v5.channel.k8s.io"])
        .await;
    cluster.check("GET", path, &headers("v4.channel.k8s.io"), expect!["101 v4.channel.k8s.io"]).await;
    cluster
        .check(
            "GET",
            path,
            &headers("v9"),
            expect![[r#"400 none of the protocols ["v9"] is served, only ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"]"#]],
        )
        .await;
}
