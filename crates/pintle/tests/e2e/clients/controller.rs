//! kube-rs as its users use it: a resource derived from a Rust type, a controller with a finalizer for it, and the streams of a
//! pod.

use crate::cluster::{Cluster, LIMIT};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, AttachParams, DeleteParams, LogParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{Error as FinalizerError, Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{Controller, watcher};
use kube::{Client, CustomResource, CustomResourceExt, Resource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Whose fields the controller's are.
const MANAGER: &str = "harbour-master";

/// A harbour, which has a map of its berths.
#[derive(CustomResource, Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[kube(
    group = "kube-rs.test",
    version = "v1",
    kind = "Harbour",
    namespaced,
    shortname = "hb",
    status = "HarbourStatus"
)]
#[kube(printcolumn = r#"{"name":"Berths","type":"integer","jsonPath":".spec.berths"}"#)]
struct HarbourSpec {
    #[schemars(range(min = 1))]
    berths: i32,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
struct HarbourStatus {
    mapped: i32,
}

#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("finalizer: {0}")]
    Finalizer(#[source] Box<FinalizerError<kube::Error>>),
}

async fn reconcile(harbour: Arc<Harbour>, client: Arc<Client>) -> Result<Action, ReconcileError> {
    let harbours: Api<Harbour> = Api::default_namespaced((*client).clone());
    let maps: Api<ConfigMap> = Api::default_namespaced((*client).clone());
    let done = finalizer(&harbours, "kube-rs.test/map", harbour, |event| async {
        match event {
            Event::Apply(harbour) => draw(&harbours, &maps, &harbour).await,
            Event::Cleanup(harbour) => {
                let record = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": "log"}, "data": {harbour.name_any(): "closed"}});
                maps.patch("log", &PatchParams::apply(MANAGER), &Patch::Apply(record)).await?;
                Ok(Action::await_change())
            }
        }
    });
    done.await.map_err(|error| ReconcileError::Finalizer(Box::new(error)))
}

/// The map of a harbour, and in the status that it is drawn.
async fn draw(harbours: &Api<Harbour>, maps: &Api<ConfigMap>, harbour: &Harbour) -> Result<Action, kube::Error> {
    let berths = harbour.spec.berths;
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(harbour.name_any()),
            owner_references: harbour.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some([("berths".to_owned(), berths.to_string())].into()),
        ..ConfigMap::default()
    };
    let forced = PatchParams::apply(MANAGER).force();
    maps.patch(&harbour.name_any(), &forced, &Patch::Apply(&map)).await?;
    let status = json!({"status": {"mapped": berths}});
    harbours.patch_status(&harbour.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await?;
    Ok(Action::await_change())
}

async fn client(cluster: &Cluster) -> Client {
    let file = kube::config::Kubeconfig::read_from(cluster.data_dir().join("kubeconfig")).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a config")).expect("a client")
}

/// Waits for a condition of an object of ours.
async fn until<K, C>(api: &Api<K>, name: &str, condition: C)
where
    K: Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + Resource + 'static,
    C: kube::runtime::wait::Condition<K>,
{
    let waited = clock::timeout(&*clock::system(), LIMIT, await_condition(api.clone(), name, condition)).await;
    waited.unwrap_or_else(|| panic!("{name} did not become what it should be")).expect("a watch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_of_kube_rs_keeps_what_it_owns() {
    let cluster = Cluster::up("one");
    let client = client(&cluster).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &Harbour::crd()).await.expect("a definition");
    until(&definitions, "harbours.kube-rs.test", conditions::is_crd_established()).await;
    let harbours: Api<Harbour> = Api::default_namespaced(client.clone());
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let controller = Controller::new(harbours.clone(), watcher::Config::default())
        .owns(maps.clone(), watcher::Config::default())
        .run(
            reconcile,
            |_, _: &ReconcileError, _| Action::requeue(Duration::from_millis(100)),
            Arc::new(client.clone()),
        )
        .for_each(|_| std::future::ready(()));
    let controller = tokio::spawn(controller);

    let refused = harbours.create(&PostParams::default(), &Harbour::new("small", HarbourSpec { berths: 0 })).await;
    let Err(kube::Error::Api(status)) = refused else { panic!("a harbour without berths: {refused:?}") };
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(status.message.contains("spec.berths in body should be greater than or equal to 1"), "{}", status.message);

    harbours
        .create(&PostParams::default(), &Harbour::new("argos", HarbourSpec { berths: 3 }))
        .await
        .expect("a harbour");
    let mapped = |berths| {
        move |harbour: Option<&Harbour>| {
            harbour.and_then(|harbour| harbour.status.as_ref()).is_some_and(|status| status.mapped == berths)
        }
    };
    until(&harbours, "argos", mapped(3)).await;
    let more = json!({"spec": {"berths": 5}});
    harbours.patch("argos", &PatchParams::default(), &Patch::Merge(&more)).await.expect("a patch");
    until(&harbours, "argos", mapped(5)).await;
    let text = cluster.ok("kubectl get hb argos");
    assert_eq!(text.split_whitespace().take(4).collect::<Vec<_>>(), ["NAME", "BERTHS", "argos", "5"]);

    // what the controller owns comes back when somebody takes it away
    let first = maps.get("argos").await.expect("the map").metadata.uid;
    maps.delete("argos", &DeleteParams::default()).await.expect("a deletion");
    let drawn_anew = move |map: Option<&ConfigMap>| map.is_some_and(|map| map.metadata.uid != first);
    until(&maps, "argos", drawn_anew).await;

    // the finalizer runs before the harbour goes, and then the garbage collector takes the map
    harbours.delete("argos", &DeleteParams::default()).await.expect("a deletion");
    until(&harbours, "argos", |harbour: Option<&Harbour>| harbour.is_none()).await;
    let log = maps.get("log").await.expect("the log");
    assert_eq!(log.data.and_then(|data| data.get("argos").cloned()).as_deref(), Some("closed"));
    until(&maps, "argos", |map: Option<&ConfigMap>| map.is_none()).await;
    controller.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kube_rs_reaches_into_pods() {
    let cluster = Cluster::up("one");
    let pods: Api<Pod> = Api::default_namespaced(client(&cluster).await);
    let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [
        {"name": "web", "image": "nginx:latest", "imagePullPolicy": "IfNotPresent"}]}});
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    pods.create(&PostParams::default(), &pod).await.expect("a pod");
    until(&pods, "web", conditions::is_pod_running()).await;

    let command = ["sh", "-c", "read line; echo got $line; exit 3"];
    let parameters = AttachParams::default().stdin(true).stderr(false);
    let mut process = pods.exec("web", command, &parameters).await.expect("an exec");
    let status = process.take_status().expect("a status");
    let mut stdin = process.stdin().expect("an input");
    stdin.write_all(b"hello\n").await.expect("an input that is read");
    let mut said = String::new();
    process.stdout().expect("an output").read_to_string(&mut said).await.expect("text");
    assert_eq!(said, "got hello\n");
    let status = status.await.expect("a status");
    let cause = status.details.and_then(|details| details.causes).and_then(|causes| causes.into_iter().next());
    assert_eq!(
        (status.reason.as_deref(), cause.and_then(|c| c.message).as_deref()),
        (Some("NonZeroExitCode"), Some("3"))
    );

    let mut forward = pods.portforward("web", &[80, 81]).await.expect("a port-forward");
    let mut stream = forward.take_stream(80).expect("a stream");
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    assert!(String::from_utf8_lossy(&answer).contains("Welcome to nginx!"));
    let refused = forward.take_error(81).expect("an error channel").await.expect("port 81 has nobody");
    assert!(refused.starts_with("error forwarding port 81 to pod "), "{refused}");

    let log = pods.logs("web", &LogParams::default()).await.expect("a log");
    assert!(log.contains("GET / HTTP/1.0"), "{log}");
    let table: Value = serde_json::from_str(&cluster.ok("kubectl get pod web -o json")).expect("JSON");
    assert_eq!(table["metadata"]["name"], "web");
}
