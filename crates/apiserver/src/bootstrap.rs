//! What every cluster has from its first moment: system namespaces, the service `kubernetes`, default roles.
//!
//! Level-triggered: what is there stays as it is, what is missing is made; so it runs at every start.

use crate::cache::Cache;
use crate::reader::ObjectReader;
use crate::rows::Rows;
use crate::storage::Storage;
use api::meta::metadata_mut;
use clock::Clock;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use store::{CommitError, Expect, Revision};

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The store refused.
    #[error("cannot write {object}")]
    Write {
        /// Which object.
        object: String,
        /// Why.
        #[source]
        source: CommitError,
    },
    /// The resource table lacks a row.
    #[error("no resource {0}")]
    Row(String),
}

/// Where to write.
pub struct Cluster<'a> {
    /// The resources.
    pub rows: &'a Rows,
    /// What is there.
    pub cache: &'a Cache,
    /// Writing.
    pub storage: &'a Storage,
    /// Time.
    pub clock: &'a dyn Clock,
}

/// Makes what is missing.
///
/// # Errors
/// When the store refuses.
pub async fn run(
    cluster: &Cluster<'_>,
    service: Ipv4Addr,
    service_range: &str,
    advertised: SocketAddr,
) -> Result<(), BootstrapError> {
    for namespace in registry::bootstrap::namespaces() {
        ensure(cluster, "", "namespaces", namespace).await?;
    }
    for class in registry::bootstrap::priority_classes() {
        ensure(cluster, "scheduling.k8s.io", "priorityclasses", class).await?;
    }
    for object in registry::bootstrap::flow_control() {
        let plural = format!("{}s", object["kind"].as_str().unwrap_or_default().to_lowercase());
        ensure(cluster, "flowcontrol.apiserver.k8s.io", &plural, object).await?;
    }
    let rows = cluster.rows.all();
    let served: Vec<(&str, &str)> = rows.iter().map(|row| (&*row.group, &*row.version)).collect();
    for object in registry::bootstrap::api_services(&served) {
        ensure(cluster, "apiregistration.k8s.io", "apiservices", object).await?;
    }
    let now = api::time::format_seconds(cluster.clock.now());
    let range = registry::bootstrap::service_cidr(service_range, &now);
    ensure(cluster, "networking.k8s.io", "servicecidrs", range).await?;
    for object in registry::rbac::bootstrap() {
        let kind = object["kind"].as_str().unwrap_or_default();
        let plural = format!("{}s", kind.to_lowercase());
        ensure(cluster, "rbac.authorization.k8s.io", &plural, object).await?;
    }
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let service = json!({"kind": "Service", "apiVersion": "v1",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {"clusterIP": service.to_string(), "clusterIPs": [service.to_string()], "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "type": "ClusterIP",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": advertised.port()}]},
        "status": {"loadBalancer": {}}});
    ensure(cluster, "", "services", service).await?;
    let address = advertised.ip().to_string();
    let endpoints = json!({"kind": "Endpoints", "apiVersion": "v1",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": "https", "port": advertised.port(), "protocol": "TCP"}]}]});
    replace(cluster, "", "endpoints", endpoints, "subsets").await?;
    let slice = json!({"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"},
            "generation": 1},
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": advertised.port(), "protocol": "TCP"}]});
    replace(cluster, "discovery.k8s.io", "endpointslices", slice, "endpoints").await
}

/// The key of an object in the cache.
fn key_of(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    crate::cache::key(&text("namespace"), &text("name"))
}

async fn ensure(cluster: &Cluster<'_>, group: &str, plural: &str, object: Value) -> Result<(), BootstrapError> {
    put(cluster, group, plural, object, Expect::Absent).await
}

/// As [`ensure`], but what is there is replaced when `field` differs: addresses may change between starts.
async fn replace(
    cluster: &Cluster<'_>,
    group: &str,
    plural: &str,
    object: Value,
    field: &str,
) -> Result<(), BootstrapError> {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let there = cluster.cache.get(group, plural, &text("namespace"), &text("name"));
    match there {
        None => put(cluster, group, plural, object, Expect::Absent).await,
        Some(old) if old[field] == object[field] && old["ports"] == object["ports"] => Ok(()),
        Some(old) => {
            let revision = old["metadata"]["resourceVersion"].as_str().and_then(|r| r.parse().ok()).unwrap_or(0);
            put(cluster, group, plural, object, Expect::At(Revision(revision))).await
        }
    }
}

async fn put(
    cluster: &Cluster<'_>,
    group: &str,
    plural: &str,
    mut object: Value,
    expect: Expect,
) -> Result<(), BootstrapError> {
    let row = cluster.rows.stored(group, plural).ok_or_else(|| BootstrapError::Row(plural.to_owned()))?;
    let key = key_of(&object);
    if expect == Expect::Absent && cluster.cache.shelf(group, plural).get(&key).is_some() {
        return Ok(());
    }
    row.strategy.default(&mut object);
    if &*row.plural == "namespaces" {
        row.strategy.prepare_for_create(&mut object);
    }
    let metadata = metadata_mut(&mut object);
    metadata.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
    let now = api::time::format_seconds(cluster.clock.now());
    metadata.insert("creationTimestamp".to_owned(), now.as_str().into());
    let server = crate::user::UserInfo::new("system:apiserver", &[crate::user::SYSTEM_PRIVILEGED_GROUP]);
    let occasion = registry::Occasion { now: &now, user: server.as_requestor() };
    row.strategy.stamp(&mut object, None, &occasion);
    match cluster.storage.put(&row, &key, &object, expect).await {
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(source) => Err(BootstrapError::Write { object: key, source }),
    }
}
