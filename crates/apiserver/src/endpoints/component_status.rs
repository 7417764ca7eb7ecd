//! `componentstatuses`: nothing that is stored, but what the server sees of the other parts of the control plane when
//! somebody asks (`registry/core/componentstatus`). Deprecated since v1.19, and still looked at.
//!
//! Upstream probes the health ports of components on its own machine. Here a component is healthy while it renews its
//! leader's lease, which holds wherever it runs; and one that runs in this very process needs no lease.

use crate::cache::{Entry, Header};
use crate::call::Call;
use crate::reader::ObjectReader;
use api::status::Status;
use registry::Resource;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};

/// The warning that every answer carries.
pub const DEPRECATED: &str = "v1 ComponentStatus is deprecated in v1.19+";
/// The components, sorted, and the lease that the leader of each renews.
const COMPONENTS: [(&str, Option<&str>); 3] =
    [("controller-manager", Some("kube-controller-manager")), ("etcd-0", None), ("scheduler", Some("kube-scheduler"))];

/// Whether the row is this one.
pub fn serves(row: &Resource) -> bool {
    row.group.is_empty() && &*row.plural == "componentstatuses"
}

/// All components as they are now.
pub fn entries(call: &Call<'_>) -> Vec<Arc<Entry>> {
    COMPONENTS.iter().map(|(name, lease)| entry_of(name, *lease, call)).collect()
}

/// One of them.
///
/// # Errors
/// 404.
pub fn entry(call: &Call<'_>, name: &str) -> Result<Arc<Entry>, Status> {
    let found = COMPONENTS.iter().find(|(known, _)| *known == name);
    found.map(|(name, lease)| entry_of(name, *lease, call)).ok_or_else(|| call.not_found(name))
}

fn entry_of(name: &str, lease: Option<&str>, call: &Call<'_>) -> Arc<Entry> {
    // A store that does not take writes makes itself heard otherwise: without it nothing here would answer.
    let health = lease.map_or_else(|| Ok(()), |lease| check_lease(call, lease));
    let condition = match health {
        Ok(()) => json!({"type": "Healthy", "status": "True", "message": "ok"}),
        Err(why) => json!({"type": "Healthy", "status": "False", "message": why}),
    };
    let object = json!({"apiVersion": "v1", "kind": "ComponentStatus",
        "metadata": {"name": name}, "conditions": [condition]});
    let header = Arc::new(Header::of(&object, None));
    Arc::new(Entry::detached(name, 0, &crate::answer::wire(&object), header))
}

fn check_lease(call: &Call<'_>, name: &str) -> Result<(), String> {
    if call.api.hosted.read().unwrap_or_else(PoisonError::into_inner).contains(&name) {
        return Ok(());
    }
    let lease = call.api.cache.get("coordination.k8s.io", "leases", "kube-system", name);
    let lease = lease.ok_or_else(|| format!("no leader: lease kube-system/{name} not found"))?;
    let renewed = lease["spec"]["renewTime"].as_str().and_then(|time| api::time::parse_micros(time).ok());
    let seconds = lease["spec"]["leaseDurationSeconds"].as_i64().unwrap_or(0);
    let renewed = renewed.ok_or_else(|| format!("no leader: lease kube-system/{name} was never renewed"))?;
    if renewed + jiff::SignedDuration::from_secs(seconds) < call.api.clock.now() {
        return Err(format!("lease kube-system/{name} was last renewed at {}", Value::from(renewed.to_string())));
    }
    Ok(())
}
