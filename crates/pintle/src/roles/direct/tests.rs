//! Informers of a client in the same process see what those of a client of HTTP see: the same tests for both.

use super::client;
use apiserver::security::{DEFAULT_ISSUER, SecurityConfig, chain};
use apiserver::{Config, Server, StaticTokens, UserInfo};
use client::{
    Change, Client, DynamicObject, Error, Informer, InformerBuilder, Object, ObjectKey, PartialObjectMeta, Selection,
    Shutdown, Subscription,
};
use http::HeaderValue;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Resource;
use kube::core::Request;
use serde_json::{Value, json};
use std::sync::Arc;

const AGENT: &str = "test/1";

struct Fixture {
    server: Server,
    _directory: tempfile::TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = clock::system();
        let store = Arc::new(store::Embedded::open(&directory.path().join("db"), clock.clone()).unwrap());
        let authority = certs::Authority::create("test", 86_400, clock.now()).unwrap();
        let signer = certs::TokenSigner::from_pem(&authority.key_pem()).unwrap();
        let security = SecurityConfig {
            clock: clock.clone(),
            issuer: DEFAULT_ISSUER.to_owned(),
            audiences: Vec::new(),
            verifier: certs::TokenVerifier::new([signer.jwk().clone()]),
            signer: Arc::new(signer),
            static_tokens: StaticTokens::default(),
            anonymous: true,
            kubelet: None,
        };
        let config = Config {
            store,
            clock,
            bind: ([127, 0, 0, 1], 0).into(),
            listeners: Vec::new(),
            tls: None,
            chain: chain(security),
            advertise_address: [127, 0, 0, 1].into(),
            service_cluster_ip_range: "10.96.0.0/12".to_owned(),
            event_ttl_seconds: None,
            front_proxy: None,
            bootstrap: true,
        };
        Self { server: Server::start(config).await.unwrap(), _directory: directory }
    }

    /// The two ways.
    fn clients(&self, user: &UserInfo) -> [Client; 2] {
        let over_http = Client::from_service(self.server.service(user.clone()), AGENT).unwrap();
        [over_http, client(self.server.service(user.clone()), AGENT).unwrap()]
    }
}

fn admin() -> UserInfo {
    UserInfo::new("admin", &["system:masters"])
}

fn map(name: &str, on: &str, value: &str) -> ConfigMap {
    let object =
        json!({"metadata": {"name": name, "namespace": "default", "labels": {"on": on}}, "data": {"a": value}});
    serde_json::from_value(object).unwrap()
}

/// The next change of an object that a test has made.
async fn next<K: Object>(changes: &mut Subscription<K>, of: fn(&K) -> Value) -> String {
    loop {
        let change: Change<K> = changes.next().await.unwrap();
        if change.key.namespace == "default" && change.key.name != "kube-root-ca.crt" {
            let show = |object: &Option<Arc<K>>| object.as_ref().map_or(Value::Null, |object| of(object)).to_string();
            return format!("{} {} -> {}", change.key.name, show(&change.old), show(&change.new));
        }
    }
}

fn data(map: &ConfigMap) -> Value {
    assert!(map.metadata.managed_fields.is_none() && map.metadata.resource_version.is_some());
    json!(map.data)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_told_of_while_they_are_selected() {
    let fixture = Fixture::start().await;
    let [writer, _] = fixture.clients(&admin());
    writer.create(&map("first", "yes", "1")).await.unwrap();
    writer.create(&map("other", "no", "1")).await.unwrap();
    let start = |client: &Client| -> Informer<ConfigMap> {
        InformerBuilder::new(client, clock::system(), Selection::labels("on=yes")).start(Shutdown::new())
    };
    let informers = fixture.clients(&admin()).map(|client| start(&client));
    for informer in &informers {
        assert!(informer.wait_synced().await);
        assert_eq!(informer.store().keys(), [ObjectKey::namespaced("default", "first")]);
    }
    let mut all = informers.each_ref().map(Informer::subscribe);
    let mut seen = Vec::new();
    for changes in &mut all {
        seen.push(next(changes, data).await);
    }
    for (name, on, value) in [("first", "yes", "2"), ("first", "no", "3"), ("other", "yes", "4")] {
        writer.update(&map(name, on, value)).await.unwrap();
        for changes in &mut all {
            seen.push(next(changes, data).await);
        }
    }
    writer.delete::<ConfigMap>(&ObjectKey::namespaced("default", "other"), &Default::default()).await.unwrap();
    for changes in &mut all {
        seen.push(next(changes, data).await);
    }
    let expected = [
        r#"first null -> {"a":"1"}"#,
        r#"first {"a":"1"} -> {"a":"2"}"#,
        r#"first {"a":"2"} -> null"#,
        r#"other null -> {"a":"4"}"#,
        r#"other {"a":"4"} -> null"#,
    ];
    assert_eq!(seen, expected.map(|change| [change; 2]).concat());
    fixture.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_alone() {
    type Meta = PartialObjectMeta<DynamicObject>;
    let fixture = Fixture::start().await;
    let api = client::ApiResource::erase::<ConfigMap>(&());
    let [writer, _] = fixture.clients(&admin());
    let mut all: Vec<(Informer<Meta>, Subscription<Meta>)> = Vec::new();
    for client in fixture.clients(&admin()) {
        let selection = Selection::namespace("default");
        let informer = InformerBuilder::dynamic(&client, clock::system(), selection, &api).start(Shutdown::new());
        let changes = informer.subscribe();
        all.push((informer, changes));
    }
    writer.create(&map("a", "yes", "1")).await.unwrap();
    let labels = |object: &Meta| json!(object.metadata.labels);
    for (informer, changes) in &mut all {
        assert_eq!(next(changes, labels).await, r#"a null -> {"on":"yes"}"#);
        assert!(informer.wait_synced().await);
    }
    fixture.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identities_have_the_same_rights_either_way() {
    let fixture = Fixture::start().await;
    let scheduler = UserInfo::new("system:kube-scheduler", &["system:authenticated"]);
    let watch = || Request::new(Secret::url_path(&(), None)).watch(&Default::default(), "0").unwrap();
    let [over_http, _] = fixture.clients(&scheduler);
    let refused = over_http.kube().request_text(watch()).await.map_err(Error::from).unwrap_err();
    let direct = super::InThisProcess {
        service: fixture.server.service(scheduler.clone()),
        agent: HeaderValue::from_static(AGENT),
    };
    let refused_directly = client::Direct::watch(&direct, watch()).await.err().unwrap();
    assert!(refused.is_forbidden(), "{refused}");
    let writing =
        fixture.clients(&scheduler).map(|client| async move { client.create(&map("a", "", "")).await.unwrap_err() });
    let [refused_to_write, refused_directly_to_write] = writing;
    assert_eq!(refused_directly_to_write.await.to_string(), refused_to_write.await.to_string());
    assert_eq!(refused_directly.to_string(), refused.to_string());
    assert_eq!(refused_directly.code(), refused.code());
    fixture.server.shutdown().await;
}
