//! The aggregated form: everything in two documents (KEP-3352), so that a client needs two requests, not one per version.

use super::remote::{RemoteVersion, aggregated_entry, merge};
use super::{AGGREGATED, Document, Group, Groups};
use registry::{Resource, Scope, Subresource};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `/api` with the core group and `/apis` with all others.
pub(super) fn documents(groups: &Groups<'_>, remote: &[RemoteVersion]) -> BTreeMap<&'static str, Document> {
    let list = |core: bool| {
        let mut items: Vec<Value> = groups.iter().filter(|group| group.name.is_empty() == core).map(item).collect();
        if !core {
            let name = |group: &Value| group["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let made = |name: &str| json!({"metadata": {"name": name}, "versions": []});
            merge(&mut items, remote, name, made, aggregated_entry);
        }
        let list = json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
        });
        Document::new(AGGREGATED, list.to_string())
    };
    BTreeMap::from([("/api", list(true)), ("/apis", list(false))])
}

fn item(group: &Group<'_>) -> Value {
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|(version, rows)| {
            let resources: Vec<Value> = rows.iter().map(|row| resource(row)).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    json!({"metadata": metadata, "versions": versions})
}

fn resource(row: &Resource) -> Value {
    let scope = match row.scope {
        Scope::Namespaced => "Namespaced",
        Scope::Cluster => "Cluster",
    };
    // Group and version are empty where they are the document's own.
    let mut value = json!({
        "resource": &*row.plural, "responseKind": {"group": "", "version": "", "kind": &*row.kind}, "scope": scope,
        "singularResource": &*row.singular, "verbs": row.verbs,
    });
    let strings = |names: &[Arc<str>]| -> Value { names.iter().map(|name| Value::from(&**name)).collect() };
    if !row.short_names.is_empty() {
        value["shortNames"] = strings(&row.short_names);
    }
    if !row.categories.is_empty() {
        value["categories"] = strings(&row.categories);
    }
    if !row.subresources.is_empty() {
        let mut subresources = row.subresources.clone();
        subresources.sort_by_key(|subresource| subresource.name());
        value["subresources"] = subresources.into_iter().map(|of| subresource(row, of)).collect();
    }
    value
}

fn subresource(row: &Resource, subresource: Subresource) -> Value {
    let (group, version, kind) = row.subresource_kind(subresource);
    let own = (group, version) == (&*row.group, &*row.version);
    let (group, version) = if own { ("", "") } else { (group, version) };
    json!({
        "subresource": subresource.name(), "responseKind": {"group": group, "version": version, "kind": kind},
        "verbs": subresource.verbs(),
    })
}
