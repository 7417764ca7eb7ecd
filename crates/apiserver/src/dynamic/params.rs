//! The objects that parametrize a policy: `paramKind` of the policy, `paramRef` of the binding.

use super::configuration::{Binding, Compiled};
use crate::cache::Entry;
use crate::chain::Attributes;
use crate::conversion;
use crate::server::Api;
use api::selector::LabelSelector;
use api::status::Status;
use registry::{Resource, Scope};
use serde_json::Value;
use std::sync::Arc;

/// The parameters of a binding, for each of which the policy is evaluated; `null` for a policy without.
///
/// # Errors
/// In upstream's words: the binding is not configured well.
pub(super) async fn collect(
    api: &Api,
    policy: &Compiled,
    binding: &Binding,
    attributes: &Attributes<'_>,
) -> Result<Vec<Value>, String> {
    let (Some((api_version, kind)), reference) = (&policy.param_kind, &binding.param_ref) else {
        return Ok(vec![Value::Null]);
    };
    if reference.is_null() {
        return Ok(vec![Value::Null]);
    }
    let rows = api.rows.all();
    let row = rows.iter().find(|row| row.api_version() == *api_version && *row.kind == **kind);
    let row =
        row.ok_or_else(|| format!("failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'"))?;
    let namespace = namespace_of(row, reference, attributes)?;
    let found = find(api, row, &namespace, reference).await.map_err(|status| status.message)?;
    match (found.is_empty(), reference["parameterNotFoundAction"] == "Allow") {
        (true, false) => Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned()),
        _ => Ok(found),
    }
}

fn namespace_of(row: &Resource, reference: &Value, attributes: &Attributes<'_>) -> Result<String, String> {
    let given = reference["namespace"].as_str().unwrap_or_default();
    match row.scope {
        Scope::Cluster if !given.is_empty() => {
            Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned())
        }
        Scope::Cluster => Ok(String::new()),
        Scope::Namespaced if !given.is_empty() => Ok(given.to_owned()),
        Scope::Namespaced if attributes.namespace.is_empty() => {
            Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".to_owned())
        }
        Scope::Namespaced => Ok(attributes.namespace.clone()),
    }
}

async fn find(api: &Api, row: &Arc<Resource>, namespace: &str, reference: &Value) -> Result<Vec<Value>, Status> {
    let (group, plural) = row.storage_prefix();
    let shelf = api.cache.shelf(group, plural);
    if let Some(name) = reference["name"].as_str().filter(|name| !name.is_empty()) {
        let entry = shelf.get(&crate::cache::key(namespace, name));
        return conversion::served_values(api, row, entry.as_slice()).await;
    }
    let selector = LabelSelector::from_object(reference.get("selector")).unwrap_or_else(|_| LabelSelector::nothing());
    let snapshot = api.cache.snapshot(&shelf);
    let namespace = (row.scope == Scope::Namespaced).then_some(namespace);
    let selected = snapshot.range(namespace, None).filter(|entry| selector.matches_by(|key| entry.header.label(key)));
    let selected: Vec<Arc<Entry>> = selected.cloned().collect();
    conversion::served_values(api, row, &selected).await
}
