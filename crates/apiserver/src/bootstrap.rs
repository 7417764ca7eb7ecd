//! What every cluster has from its first moment: system namespaces, the service `kubernetes` (its addresses are
//! `endpoint_reconciler`'s), default roles.
//!
//! Level-triggered: what is there stays as it is, what is missing is made; so it runs at every start.

use crate::cache::Cache;
use crate::rows::Rows;
use crate::storage::Storage;
use api::meta::metadata_mut;
use clock::Clock;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use store::{CommitError, Expect};

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
    port: u16,
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
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]},
        "status": {"loadBalancer": {}}});
    ensure(cluster, "", "services", service).await
}

/// The key of an object in the cache.
fn key_of(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    crate::cache::key(&text("namespace"), &text("name"))
}

async fn ensure(cluster: &Cluster<'_>, group: &str, plural: &str, object: Value) -> Result<(), BootstrapError> {
    put(cluster, group, plural, object, Expect::Absent).await
}

/// Makes one object with the marks of a new one. One that is there already is no error.
pub async fn put(
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
    metadata.insert("uid".to_owned(), crate::metadata::uuid().into());
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

/// Puts an object in the place of what `expect` says. Whoever was faster wins.
pub(crate) async fn replace(
    cluster: &Cluster<'_>,
    group: &str,
    plural: &str,
    object: &Value,
    expect: Expect,
) -> Result<(), BootstrapError> {
    let row = cluster.rows.stored(group, plural).ok_or_else(|| BootstrapError::Row(plural.to_owned()))?;
    let key = key_of(object);
    match cluster.storage.put(&row, &key, object, expect).await {
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(source) => Err(BootstrapError::Write { object: key, source }),
    }
}
