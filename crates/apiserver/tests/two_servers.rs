//! Two servers on one etcd: they read each other's writes, give nothing out twice, and say who of them lives.

#[path = "../../store/tests/etcd_server/mod.rs"]
mod etcd_server;
mod harness;

use apiserver::{InProcess, Server};
use etcd_server::EtcdServer;
use harness::{Events, JSON, admin, call, config, send};
use http::Method;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SERVICES: &str = "/api/v1/namespaces/default/services";

async fn connect(etcd: &EtcdServer) -> store::Etcd {
    store::Etcd::connect(store::EtcdConfig::new(vec![etcd.endpoint()]), clock::system()).await.unwrap()
}

/// A server that says it is reached by this address of the loopback net, at a port that is the same for all.
async fn start(etcd: &EtcdServer, address: [u8; 4], port: u16) -> (Server, store::Etcd) {
    let store = connect(etcd).await;
    let mut config = config(Arc::new(store.clone()));
    config.bind = (address, port).into();
    config.advertise_address = address.into();
    config.service_cluster_ip_range = "10.96.0.0/24".to_owned();
    (Server::start(config).await.unwrap(), store)
}

async fn list(service: &InProcess, path: &str) -> Vec<Value> {
    let (code, list) = send(service, Method::GET, path, JSON, "").await;
    assert_eq!(code, 200, "{list}");
    list["items"].as_array().unwrap().clone()
}

fn service_named(name: &str, spec: Value) -> String {
    let mut object = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
    object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    object.to_string()
}

/// Looks again until it is so; a server hears of another's writes by its watch.
async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let clock = clock::system();
    let looking = async {
        while !holds().await {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(clock::timeout(&*clock, Duration::from_secs(60), looking).await.is_some(), "{what}");
}

async fn addresses(service: &InProcess) -> (Vec<String>, Vec<String>) {
    let (_, endpoints) = send(service, Method::GET, "/api/v1/namespaces/default/endpoints/kubernetes", JSON, "").await;
    let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
    let (_, slice) = send(service, Method::GET, path, JSON, "").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = |list: &Value, pointer: &str| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|one| one.pointer(pointer)).map(text).collect()
    };
    (all(&endpoints["subsets"][0]["addresses"], "/ip"), all(&slice["endpoints"], "/addresses/0"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_right_after_a_write_through_the_other_has_it() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    let (first, _) = start(&etcd, [127, 0, 0, 1], 0).await;
    let (second, _) = start(&etcd, [127, 0, 0, 1], 0).await;
    let (one, two) = (admin(&first), admin(&second));
    for n in 0..20 {
        let (writer, reader) = if n % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let body = json!({"metadata": {"name": format!("m{n}")}}).to_string();
        let (code, made) = send(writer, Method::POST, MAPS, JSON, body).await;
        assert_eq!(code, 201, "{made}");
        assert!(list(reader, MAPS).await.iter().any(|map| map["metadata"]["uid"] == made["metadata"]["uid"]), "m{n}");
        let (code, _) = send(reader, Method::GET, &format!("{MAPS}/m{n}"), JSON, "").await;
        assert_eq!(code, 200);
    }
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_and_ports_are_given_out_once() {
    /// Of 254 addresses one is the service's `kubernetes`.
    const SERVICES_MADE: usize = 60;
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    let (first, _) = start(&etcd, [127, 0, 0, 1], 0).await;
    let (second, _) = start(&etcd, [127, 0, 0, 1], 0).await;
    let both = [admin(&first), admin(&second)];
    let made = (0..SERVICES_MADE).map(|n| {
        let body = service_named(&format!("s{n}"), json!({"type": "NodePort"}));
        send(&both[n % 2], Method::POST, SERVICES, JSON, body)
    });
    let made = futures::future::join_all(made).await;
    assert!(made.iter().all(|(code, _)| *code == 201), "{made:?}");
    let distinct =
        |pointer: &str| made.iter().map(|(_, s)| s.pointer(pointer).unwrap().to_string()).collect::<HashSet<_>>();
    assert_eq!(distinct("/spec/clusterIP").len(), SERVICES_MADE);
    assert_eq!(distinct("/spec/ports/0/nodePort").len(), SERVICES_MADE);

    // both ask for one address at the same time: one has it, the other hears so in upstream's words
    for n in 0..10 {
        let spec = json!({"clusterIP": format!("10.96.0.{}", 2 + n), "ports": [{"port": 80}]});
        let asked = [0, 1].map(|side| {
            send(&both[side], Method::POST, SERVICES, JSON, service_named(&format!("w{n}-{side}"), spec.clone()))
        });
        let mut answers = futures::future::join_all(asked).await;
        answers.sort_by_key(|(code, _)| *code);
        assert_eq!((answers[0].0, answers[1].0), (201, 422), "{answers:?}");
        let words = format!("failed to allocate IP 10.96.0.{}: provided IP is already allocated", 2 + n);
        assert!(answers[1].1["message"].as_str().unwrap().contains(&words), "{answers:?}");
    }

    // claims are IPAddress objects, and go with their services
    let ips = "/apis/networking.k8s.io/v1/ipaddresses";
    let all = list(&both[0], ips).await;
    assert_eq!(all.len(), SERVICES_MADE + 10 + 1, "one for each service");
    let own = all.iter().find(|ip| ip["metadata"]["name"] == "10.96.0.1").unwrap();
    let parent = json!({"group": "", "resource": "services", "namespace": "default", "name": "kubernetes"});
    assert_eq!(own["spec"]["parentRef"]["name"], parent["name"]);
    let address = made[0].1["spec"]["clusterIP"].as_str().unwrap();
    let (code, _) = send(&both[1], Method::DELETE, &format!("{SERVICES}/s0"), JSON, "").await;
    assert_eq!(code, 200);
    assert!(list(&both[0], ips).await.iter().all(|ip| ip["metadata"]["name"] != address));
    let again = service_named(
        "again",
        json!({"clusterIP": address, "type": "NodePort",
        "ports": [{"port": 80, "nodePort": made[0].1["spec"]["ports"][0]["nodePort"]}]}),
    );
    let (code, body) = send(&both[0], Method::POST, SERVICES, JSON, again).await;
    assert_eq!(code, 201, "{body}");

    // what an update drops is free, and so is what a refused write had chosen
    let change = json!({"spec": {"type": "ClusterIP"}}).to_string();
    let port = made[1].1["spec"]["ports"][0]["nodePort"].clone();
    let (code, body) =
        send(&both[0], Method::PATCH, &format!("{SERVICES}/s1"), "application/merge-patch+json", change).await;
    assert_eq!((code, &body["spec"]["ports"][0]["nodePort"]), (200, &Value::Null));
    let taker = service_named("taker", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}));
    let (code, body) = send(&both[1], Method::POST, SERVICES, JSON, taker).await;
    assert_eq!(code, 201, "{body}");
    let count = list(&both[0], ips).await.len();
    let (code, _) = send(&both[0], Method::POST, SERVICES, JSON, service_named("s2", json!({}))).await;
    assert_eq!(code, 409);
    until("the refused write's claim goes", || async { list(&both[0], ips).await.len() == count }).await;
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_kubernetes_has_the_addresses_of_those_who_live() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    let (first, _) = start(&etcd, [127, 0, 0, 1], 0).await;
    let (second, _) = start(&etcd, [127, 0, 0, 2], first.address().port()).await;
    let one = admin(&first);
    let both = ["127.0.0.1", "127.0.0.2"].map(str::to_owned).to_vec();
    until("both are there", || async { addresses(&one).await == (both.clone(), both.clone()) }).await;
    second.shutdown().await;
    until("it has said good-bye", || async { addresses(&one).await.0 == ["127.0.0.1"] }).await;

    // one that dies without a word goes when its lease ends
    let (third, store) = start(&etcd, [127, 0, 0, 3], first.address().port()).await;
    until("the third is there", || async { addresses(&one).await.0.len() == 2 }).await;
    store.close().await; // from here on it can renew nothing
    until("its lease ends", || async { addresses(&one).await.0 == ["127.0.0.1"] }).await;
    third.shutdown().await;
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_etcd_and_readyz_says_that_it_is_away() {
    let Some(mut etcd) = EtcdServer::start(&[]) else { return };
    let (server, _) = start(&etcd, [127, 0, 0, 1], 0).await;
    let admin = admin(&server);
    let mut watch = Events::of(call(&admin, Method::GET, &format!("{MAPS}?watch=1"), JSON, "").await);
    assert_eq!(send(&admin, Method::GET, "/readyz", JSON, "").await.0, 200);
    etcd.kill();
    let response = call(&admin, Method::GET, "/readyz?verbose", JSON, "").await;
    assert_eq!(response.status(), 500);
    let text = harness::text(response).await;
    for line in ["[+]ping ok\n", "[-]etcd-readiness failed: reason withheld\n"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.ends_with("readyz check failed\n"), "{text}");
    let alive = harness::text(call(&admin, Method::GET, "/livez?verbose", JSON, "").await).await;
    assert!(alive.contains("[-]etcd failed: reason withheld\n"), "{alive}");
    etcd.start_again();
    until("it is ready again", || async { send(&admin, Method::GET, "/readyz", JSON, "").await.0 == 200 }).await;
    let body = json!({"metadata": {"name": "after"}}).to_string();
    assert_eq!(send(&admin, Method::POST, MAPS, JSON, body).await.0, 201);
    let event = watch.next().await;
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("after")));
    drop(watch);
    server.shutdown().await;
}
