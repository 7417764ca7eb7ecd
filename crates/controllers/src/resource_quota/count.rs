//! Counting: which kinds a quota is about, what their objects use, and what its status should say.

use api::quantity::Quantity as Amount;
use client::{Client, Error};
use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use registry::quota::{Kind, Usage, matches_scopes, usage};
use registry::{Scope, Storage};
use serde_json::Value;
use std::collections::BTreeMap;

async fn get(client: &Client, path: &str) -> Result<Value, Error> {
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    Ok(client.kube().request(request).await?)
}

/// The names that a quota limits.
fn hard(quota: &ResourceQuota) -> BTreeMap<String, Quantity> {
    quota.spec.as_ref().and_then(|spec| spec.hard.clone()).unwrap_or_default()
}

/// What the objects in the quota's namespace use of what it limits.
pub(super) async fn counted(client: &Client, quota: &ResourceQuota) -> Result<Usage, Error> {
    let hard = hard(quota);
    let namespace = quota.metadata.namespace.as_deref().unwrap_or_default();
    let as_value = serde_json::to_value(quota).unwrap_or_default(); // typed objects always serialize
    let mut used: Usage = hard.keys().map(|name| (name.clone(), Amount::ZERO)).collect();
    for row in registry::table() {
        let kind = Kind { group: &row.group, plural: &row.plural };
        let listed = row.scope == Scope::Namespaced
            && matches!(row.storage, Storage::Own)
            && row.verbs.contains(&"list")
            && kind.is_counted()
            && hard.keys().any(|name| kind.is_concerned_by(name));
        if !listed {
            continue;
        }
        let version = row.api_version();
        let prefix = if row.group.is_empty() { format!("/api/{version}") } else { format!("/apis/{version}") };
        let list = get(client, &format!("{prefix}/namespaces/{namespace}/{}", row.plural)).await?;
        for object in list["items"].as_array().into_iter().flatten() {
            if matches_scopes(&as_value, kind, object) {
                add(&mut used, usage(kind, object));
            }
        }
    }
    Ok(used)
}

/// Adds what the quota limits of some usage.
fn add(used: &mut Usage, more: Usage) {
    for (name, amount) in more {
        if let Some(sum) = used.get_mut(&name) {
            *sum = sum.add(&amount);
        }
    }
}

/// The quota with a status that is not true any more put right; `None`: it is true.
pub(super) fn plan(quota: &ResourceQuota, used: Usage) -> Option<ResourceQuota> {
    let hard = hard(quota);
    let before = quota.status.clone().unwrap_or_default();
    let same_hard = before.hard.clone().unwrap_or_default() == hard;
    let same_used = {
        let known = before.used.unwrap_or_default();
        known.len() == used.len()
            && used.iter().all(|(name, amount)| {
                known.get(name).and_then(|text| Amount::parse(&text.0).ok()).is_some_and(|known| known == *amount)
            })
    };
    if same_hard && same_used {
        return None;
    }
    let mut changed = quota.clone();
    let status = changed.status.get_or_insert_default();
    status.hard = Some(hard);
    status.used = Some(used.into_iter().map(|(name, amount)| (name, Quantity(amount.to_string()))).collect());
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_mended_and_then_left_alone() {
        let quota: ResourceQuota =
            serde_json::from_value(json!({"spec": {"hard": {"pods": "2", "count/x.y": "1"}}})).unwrap();
        let used =
            || Usage::from([("pods".to_owned(), Amount::parse("1").unwrap()), ("count/x.y".to_owned(), Amount::ZERO)]);
        let mended = plan(&quota, used()).unwrap();
        let status = serde_json::to_value(mended.status.clone()).unwrap();
        assert_eq!(status, json!({"hard": {"pods": "2", "count/x.y": "1"}, "used": {"pods": "1", "count/x.y": "0"}}));
        assert_eq!(plan(&mended, used()), None);
    }
}
