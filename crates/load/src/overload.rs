//! Far more than a server can do: many clients that never wait, while a node's heartbeats are timed; then whether the
//! server is itself again at once.

use crate::connection::Sent;
use crate::error::LoadError;
use crate::latencies::Latencies;
use crate::objects::{self, Shape};
use crate::requests::{self, Limit, Work};
use crate::target::Target;
use clock::SharedClock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Between two heartbeats of the one node.
const HEARTBEAT_PERIOD: Duration = Duration::from_millis(100);
/// The calm after the storm: how long ordinary requests are timed.
const CALM: Duration = Duration::from_secs(2);
/// As of `kubectl`'s user.
const AUTHENTICATED: &str = "system:authenticated";

/// Puts `connections` clients on the server for `duration`, all creating pods in `namespace` as one ordinary user.
///
/// # Errors
/// Connections break.
pub async fn run(
    target: &Arc<Target>,
    clock: &SharedClock,
    namespace: &str,
    connections: usize,
    duration: Duration,
) -> Result<Value, LoadError> {
    let mut admin = target.connect().await?;
    objects::ensure_namespace(&mut admin, namespace).await?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "pintle-load"}, "subjects": [{"kind": "Group", "name": "pintle-load",
        "apiGroup": "rbac.authorization.k8s.io"}], "roleRef": {"kind": "ClusterRole", "name": "cluster-admin",
        "apiGroup": "rbac.authorization.k8s.io"}});
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    admin.expect(&Sent::post(bindings, binding.to_string()), &[409]).await?;
    let user = target.acting_as("pintle-load", &["pintle-load", AUTHENTICATED])?;
    let node = target.acting_as("system:node:overload", &["system:nodes", AUTHENTICATED])?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let beats = tokio::spawn(heartbeats(node, clock.clone(), stopped));
    let work = Work::Create {
        namespace: namespace.to_owned(),
        prefix: format!("storm-{}", std::process::id()),
        shape: Shape::Small,
    };
    let limit = Limit { count: usize::MAX, duration };
    let storm = requests::run(&user, clock, work, connections, limit).await?;
    let calm = Work::Path(format!("/api/v1/namespaces/{namespace}/serviceaccounts/default"));
    let after = requests::run(&user, clock, calm, 4, Limit { count: usize::MAX, duration: CALM }).await?;
    let _ = stop.send(true); // the task may have ended with an error, which comes next
    let (heartbeats, refused) = beats.await.map_err(|error| LoadError::Text(error.to_string()))??;
    Ok(json!({"storm": storm.summary(), "after": after.summary(), "heartbeats": heartbeats.summary(),
        "heartbeats_refused": refused}))
}

/// One node's Lease, renewed until told to stop.
async fn heartbeats(
    node: Arc<Target>,
    clock: SharedClock,
    stopped: tokio::sync::watch::Receiver<bool>,
) -> Result<(Latencies, usize), LoadError> {
    let mut connection = node.connect().await?;
    let (mut latencies, mut refused) = (Latencies::default(), 0);
    let mut version = Value::Null;
    let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/overload";
    while !*stopped.borrow() {
        let now = clock.now();
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "overload", "namespace": "kube-node-lease", "resourceVersion": version},
            "spec": {"holderIdentity": "overload", "leaseDurationSeconds": 40, "renewTime": format!("{now:.6}")}});
        let sent_at = clock.monotonic();
        let (code, body) = connection.expect(&Sent::put(path, lease.to_string()), &[429]).await?;
        latencies.add(clock.monotonic().saturating_sub(sent_at));
        if code == 429 {
            refused += 1;
        } else {
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            version = answer["metadata"]["resourceVersion"].clone();
        }
        clock.sleep(HEARTBEAT_PERIOD).await;
    }
    Ok((latencies, refused))
}
