//! The documents of one group or version each: `APIVersions`, `APIGroupList`, `APIGroup`, `APIResourceList`.

use super::remote::{RemoteVersion, merge};
use super::{Document, Groups, group_version};
use base64::Engine;
use registry::{Resource, Scope, Storage, Subresource};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Kinds that upstream stores in another version than the one it serves (group, kind, stored version). Only the hashes
/// show it.
const STORED_AS: &[(&str, &str, &str)] = &[
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy", "v1beta1"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", "v1beta1"),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "v1beta1"),
];

/// All documents by path.
pub(super) fn documents(
    groups: &Groups<'_>,
    remote: &[RemoteVersion],
    server_address: &str,
) -> BTreeMap<String, Document> {
    let mut documents = BTreeMap::new();
    let mut put = |path: String, value: Value| {
        documents.insert(path, Document::new("application/json", value.to_string()));
    };
    let mut list = Vec::new();
    let mut core_versions = Vec::new();
    for group in groups.iter() {
        for (version, rows) in &group.versions {
            let path = if group.name.is_empty() {
                core_versions.push(*version);
                format!("/api/{version}")
            } else {
                format!("/apis/{}/{version}", group.name)
            };
            put(path, resource_list(group.name, version, rows));
        }
        if group.name.is_empty() {
            continue;
        }
        let versions: Vec<Value> = group
            .versions
            .iter()
            .map(|(version, _)| json!({"groupVersion": group_version(group.name, version), "version": version}))
            .collect();
        let entry = json!({"name": group.name, "versions": versions, "preferredVersion": versions.first()});
        list.push(entry);
    }
    merge_remote(&mut list, remote);
    for entry in &list {
        let mut own = Map::new();
        own.insert("kind".to_owned(), "APIGroup".into());
        own.insert("apiVersion".to_owned(), "v1".into());
        own.extend(entry.as_object().cloned().unwrap_or_default());
        put(format!("/apis/{}", entry["name"].as_str().unwrap_or_default()), own.into());
    }
    put("/apis".to_owned(), json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list}));
    let addresses = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}]);
    put(
        "/api".to_owned(),
        json!({"kind": "APIVersions", "versions": core_versions, "serverAddressByClientCIDRs": addresses}),
    );
    documents
}

/// Groups and versions that others serve are named whether they can be reached or not.
fn merge_remote(list: &mut Vec<Value>, remote: &[RemoteVersion]) {
    let name = |group: &Value| group["name"].as_str().unwrap_or_default().to_owned();
    let made = |name: &str| json!({"name": name, "versions": [], "preferredVersion": null});
    let entry =
        |one: &RemoteVersion| json!({"groupVersion": group_version(&one.group, &one.version), "version": one.version});
    merge(list, remote, name, made, entry);
    for group in list.iter_mut().filter(|group| group["preferredVersion"].is_null()) {
        group["preferredVersion"] = group["versions"][0].clone();
    }
}

fn resource_list(group: &str, version: &str, rows: &[&Resource]) -> Value {
    let mut resources = Vec::new();
    for row in rows {
        resources.push(resource(row));
        let mut subresources = row.subresources.clone();
        subresources.sort_by_key(|subresource| subresource.name());
        resources.extend(subresources.into_iter().map(|of| subresource(row, of)));
    }
    let mut list = Map::new();
    list.insert("kind".to_owned(), "APIResourceList".into());
    // Upstream leaves it out for the core group, which is older than the field.
    if !group.is_empty() {
        list.insert("apiVersion".to_owned(), "v1".into());
    }
    list.insert("groupVersion".to_owned(), group_version(group, version).into());
    list.insert("resources".to_owned(), resources.into());
    list.into()
}

fn resource(row: &Resource) -> Value {
    let mut value = json!({
        "name": &*row.plural, "singularName": &*row.singular, "namespaced": row.scope == Scope::Namespaced,
        "kind": &*row.kind, "verbs": row.verbs,
    });
    let strings = |names: &[std::sync::Arc<str>]| -> Value { names.iter().map(|name| Value::from(&**name)).collect() };
    if !row.short_names.is_empty() {
        value["shortNames"] = strings(&row.short_names);
    }
    if !row.categories.is_empty() {
        value["categories"] = strings(&row.categories);
    }
    if row.verbs.contains(&"list") && row.verbs.contains(&"create") {
        value["storageVersionHash"] = storage_version_hash(row).into();
    }
    value
}

fn subresource(row: &Resource, subresource: Subresource) -> Value {
    let (group, version, kind) = row.subresource_kind(subresource);
    let mut value = json!({
        "name": format!("{}/{}", row.plural, subresource.name()), "singularName": "",
        "namespaced": row.scope == Scope::Namespaced, "kind": kind, "verbs": subresource.verbs(),
    });
    if (group, version) != (&*row.group, &*row.version) {
        value["group"] = group.into();
        value["version"] = version.into();
    }
    value
}

/// Upstream's `StorageVersionHash`: tells clients when the stored form of a resource changes.
fn storage_version_hash(row: &Resource) -> String {
    let (group, version) = match &row.storage {
        Storage::Own => (&*row.group, &*row.version),
        Storage::Shared { group, version, .. } => (&**group, &**version),
    };
    let other = STORED_AS.iter().find(|(of, kind, _)| *of == group && *kind == &*row.kind);
    let version = other.map_or(version, |(.., stored)| stored);
    let digest = Sha256::digest(format!("{group}/{version}/{}", row.kind));
    base64::engine::general_purpose::STANDARD.encode(&digest[..8])
}
