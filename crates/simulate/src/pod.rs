//! A pod as far as a simulated node looks at it: what is not here is dropped while the watch is decoded.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::Deserialize;

/// A pod with a node.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = v1::Pod)]
pub struct SimulatedPod {
    #[serde(deserialize_with = "small_metadata")]
    metadata: ObjectMeta,
    /// `spec`
    #[serde(default)]
    pub spec: Spec,
    /// `status`
    #[serde(default)]
    pub status: Status,
}

/// `spec`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Empty before it is bound.
    #[serde(default)]
    pub node_name: String,
    /// Uses the node's address.
    #[serde(default)]
    pub host_network: bool,
    /// `containers`
    #[serde(default)]
    pub containers: Vec<Container>,
    /// `initContainers`
    #[serde(default)]
    pub init_containers: Vec<Container>,
}

/// A container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// `name`
    #[serde(default)]
    pub name: Box<str>,
    /// `image`
    #[serde(default)]
    pub image: Box<str>,
    /// `Always` makes an init container a sidecar.
    #[serde(default)]
    pub restart_policy: Option<Box<str>>,
}

/// `status`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `Pending`, `Running`, …
    #[serde(default)]
    pub phase: Box<str>,
    /// When the node saw it first.
    #[serde(default)]
    pub start_time: Option<Time>,
}

impl SimulatedPod {
    /// Whether a Job has made it.
    pub fn is_of_a_job(&self) -> bool {
        let owners = self.metadata.owner_references.iter().flatten();
        owners.into_iter().any(|owner| owner.kind == "Job")
    }

    /// Whether it is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// `metadata.uid`
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SmallMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    deletion_timestamp: Option<Time>,
    owner_references: Option<Vec<OwnerReference>>,
}

fn small_metadata<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    let small = SmallMetadata::deserialize(from)?;
    Ok(ObjectMeta {
        name: small.name,
        namespace: small.namespace,
        uid: small.uid,
        resource_version: small.resource_version,
        deletion_timestamp: small.deletion_timestamp,
        owner_references: small.owner_references,
        ..ObjectMeta::default()
    })
}
