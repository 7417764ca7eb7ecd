//! Group-versions that somebody else serves, in the documents: versions of groups that we have too, or groups of their own.

use serde_json::{Value, json};

/// A version, as its server offers it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RemoteVersion {
    pub group: String,
    pub version: String,
    /// Of the group, and of the version in it: the greater is first.
    pub priorities: (i64, i64),
    /// In the aggregated form.
    pub resources: Vec<Value>,
    /// Whether its server was reached last time.
    pub is_fresh: bool,
}

/// Adds them to the groups of `/apis`, plain or aggregated; `name_of` finds a group's name in its entry.
pub(super) fn merge(
    groups: &mut Vec<Value>,
    remote: &[RemoteVersion],
    name_of: impl Fn(&Value) -> String,
    new_group: impl Fn(&str) -> Value,
    entry: impl Fn(&RemoteVersion) -> Value,
) {
    let mut ordered: Vec<&RemoteVersion> = remote.iter().filter(|one| !one.group.is_empty()).collect();
    ordered.sort_by_key(|one| (-one.priorities.0, one.group.clone(), -one.priorities.1));
    for one in ordered {
        let at = groups.iter().position(|group| name_of(group) == one.group).unwrap_or_else(|| {
            groups.push(new_group(&one.group));
            groups.len() - 1
        });
        if let Some(versions) = groups[at]["versions"].as_array_mut()
            && versions.iter().all(|version| version["version"] != one.version.as_str())
        {
            versions.push(entry(one));
        }
    }
}

pub(super) fn aggregated_entry(one: &RemoteVersion) -> Value {
    let freshness = if one.is_fresh { "Current" } else { "Stale" };
    let mut entry = json!({"version": one.version, "freshness": freshness});
    if !one.resources.is_empty() {
        entry["resources"] = one.resources.clone().into();
    }
    entry
}

/// An `APIResourceList` in the aggregated form (`ConvertGroupVersionIntoToDiscovery`).
pub(crate) fn aggregated_resources(list: &Value) -> Vec<Value> {
    let mut resources: Vec<Value> = Vec::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for one in list["resources"].as_array().into_iter().flatten() {
        let name = text(&one["name"]);
        let kind = json!({"group": text(&one["group"]), "version": text(&one["version"]), "kind": text(&one["kind"])});
        if let Some((parent, subresource)) = name.split_once('/') {
            let entry = json!({"subresource": subresource, "responseKind": kind, "verbs": one["verbs"]});
            if let Some(parent) = resources.iter_mut().find(|resource| resource["resource"] == parent) {
                match parent["subresources"].as_array_mut() {
                    Some(all) => all.push(entry),
                    None => parent["subresources"] = json!([entry]),
                }
            }
            continue;
        }
        let scope = if one["namespaced"] == true { "Namespaced" } else { "Cluster" };
        let mut resource = json!({"resource": name, "responseKind": kind, "scope": scope,
            "singularResource": text(&one["singularName"]), "verbs": one["verbs"]});
        for field in ["shortNames", "categories"] {
            if one[field].is_array() {
                resource[field] = one[field].clone();
            }
        }
        resources.push(resource);
    }
    resources
}
