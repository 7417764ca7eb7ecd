//! Waiting for a cluster to be usable: the API server answers, every node is Ready, the control plane carries its
//! labels.

use super::layout::Node;
use client::{Client, Informer, InformerBuilder, ObjectKey, PatchKind, Selection, Shutdown};
use clock::SharedClock;
use k8s_openapi::api::core::v1;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How long a cluster may take to come up.
const LIMIT: Duration = Duration::from_secs(120);
/// How long to wait before the API server is asked again whether it is ready: it may not listen yet, so there is
/// nothing to wait on.
const PROBE_PERIOD: Duration = Duration::from_millis(20);

/// kubeadm's labels of a control-plane node.
const CONTROL_PLANE_LABELS: [&str; 2] =
    ["node-role.kubernetes.io/control-plane", "node.kubernetes.io/exclude-from-external-load-balancers"];

/// Why a cluster is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ReadinessError {
    /// The kubeconfig.
    #[error(transparent)]
    Config(#[from] client::ConfigError),
    /// Time is up.
    #[error("{0} did not become ready within {LIMIT:?}")]
    Timeout(&'static str),
    /// The API server refused.
    #[error("label node {node}: {source}")]
    Label {
        /// Which.
        node: String,
        /// Why.
        source: client::Error,
    },
}

/// Resolves when `/readyz` answers 200.
pub async fn api_server(kubeconfig: &Path, clock: &SharedClock) -> Result<Client, ReadinessError> {
    let client = Client::from_kubeconfig(kubeconfig, concat!("pintle/", env!("CARGO_PKG_VERSION"))).await?;
    let ready = async {
        loop {
            let request = http_request("/readyz");
            if let Ok(request) = request
                && client.kube().request_text(request).await.is_ok()
            {
                return;
            }
            clock.sleep(PROBE_PERIOD).await;
        }
    };
    clock::timeout(&**clock, LIMIT, ready).await.ok_or(ReadinessError::Timeout("the API server"))?;
    Ok(client)
}

fn http_request(path: &str) -> Result<hyper::http::Request<Vec<u8>>, hyper::http::Error> {
    hyper::http::Request::get(path).body(Vec::new())
}

/// Resolves when every node is there and Ready; labels the control plane as soon as it is there.
pub async fn nodes(client: &Client, nodes: &[Node], clock: &SharedClock) -> Result<(), ReadinessError> {
    let shutdown = Shutdown::new();
    let _stop = shutdown.clone().drop_guard();
    let informer = InformerBuilder::<v1::Node>::new(client, clock.clone(), Selection::all()).start(shutdown);
    let mut changes = informer.subscribe();
    let all_ready = async {
        informer.wait_synced().await;
        let mut labelled = false;
        loop {
            if !labelled {
                labelled = label_control_plane(client, nodes, &informer).await?;
            }
            if labelled && nodes.iter().all(|node| is_ready(&informer, &node.name)) {
                return Ok(());
            }
            changes.next().await;
        }
    };
    clock::timeout(&**clock, LIMIT, all_ready).await.ok_or(ReadinessError::Timeout("the nodes"))?
}

fn is_ready(informer: &Informer<v1::Node>, name: &str) -> bool {
    let node = informer.store().get(&ObjectKey::cluster(name));
    let conditions = node.as_ref().and_then(|node| node.status.as_ref()?.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

async fn label_control_plane(
    client: &Client,
    nodes: &[Node],
    informer: &Informer<v1::Node>,
) -> Result<bool, ReadinessError> {
    let Some(node) = nodes.iter().find(|node| node.is_control_plane()) else { return Ok(true) };
    let key = ObjectKey::cluster(&node.name);
    let Some(present) = informer.store().get(&key) else { return Ok(false) };
    let labels = present.metadata.labels.clone().unwrap_or_default();
    if CONTROL_PLANE_LABELS.iter().all(|label| labels.contains_key(*label)) {
        return Ok(true);
    }
    let [role, balancers] = CONTROL_PLANE_LABELS;
    let patch = json!({"metadata": {"labels": {role: "", balancers: ""}}});
    let patched = client.patch::<v1::Node>(&key, PatchKind::Merge, &patch).await;
    patched.map(|_| true).map_err(|source| ReadinessError::Label { node: node.name.clone(), source })
}
