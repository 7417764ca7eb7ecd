//! The objects that are written.

use crate::connection::{Connection, Sent};
use crate::error::LoadError;
use serde_json::{Value, json};

/// A scheduler that does not exist: pods that only lie in the API.
const NOBODY: &str = "pintle-load-nobody";

/// Makes a namespace in which pods can be created, on servers without controllers too.
///
/// # Errors
/// The server refused.
pub async fn ensure_namespace(connection: &mut Connection, namespace: &str) -> Result<(), LoadError> {
    const CONFLICT: u16 = 409;
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).to_string();
    connection.expect(&Sent::post("/api/v1/namespaces", body), &[CONFLICT]).await?;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}).to_string();
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    connection.expect(&Sent::post(path, account), &[CONFLICT]).await?;
    Ok(())
}

/// The path of a namespace's pods.
pub fn pods_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

/// What kind of pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// One container, as `kubectl run` makes it; nobody schedules it.
    Small,
    /// About 4.8 kB as it is served, as the pods of the recorded peer were; nobody schedules it.
    Large,
    /// For the default scheduler, with requests.
    Scheduled,
    /// The same, with node affinity, a toleration, and spreading over zones.
    Constrained,
}

/// A pod's JSON.
pub fn pod(name: &str, shape: Shape) -> Vec<u8> {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "load"}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}], "schedulerName": NOBODY},
    });
    match shape {
        Shape::Small => {}
        Shape::Large => enlarge(&mut pod),
        Shape::Scheduled => schedule(&mut pod),
        Shape::Constrained => {
            schedule(&mut pod);
            constrain(&mut pod);
        }
    }
    pod.to_string().into_bytes()
}

fn enlarge(pod: &mut Value) {
    const VARIABLES: usize = 28;
    let variable = |n: usize| json!({"name": format!("SETTING_{n:02}"), "value": "x".repeat(40)});
    pod["spec"]["containers"][0]["env"] = (0..VARIABLES).map(variable).collect();
}

fn schedule(pod: &mut Value) {
    pod["spec"]["schedulerName"] = "default-scheduler".into();
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m", "memory": "128Mi"}});
}

fn constrain(pod: &mut Value) {
    let spec = &mut pod["spec"];
    spec["tolerations"] = json!([{"key": "dedicated", "operator": "Exists"}]);
    spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "Exists"}]}]}}});
    spec["topologySpreadConstraints"] = json!([{"maxSkew": 5, "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "load"}}}]);
}
