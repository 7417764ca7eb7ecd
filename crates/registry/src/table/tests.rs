//! The rows against the discovery documents of Kubernetes v1.36.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Beside the repository, wherever that is.
const DISCOVERY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/discovery.json");

/// What upstream serves and this table leaves out; see the module's header. Can only shrink.
const LEFT_OUT: &[&str] = &[];

/// A row and its subresources as discovery prints them.
fn discovered(row: &Resource) -> Vec<Value> {
    let namespaced = row.scope == crate::Scope::Namespaced;
    let mut main = json!({"name": &*row.plural, "singularName": &*row.singular, "namespaced": namespaced,
        "kind": &*row.kind, "verbs": row.verbs});
    if !row.short_names.is_empty() {
        main["shortNames"] = row.short_names.iter().map(|n| n.to_string()).collect();
    }
    if !row.categories.is_empty() {
        main["categories"] = row.categories.iter().map(|n| n.to_string()).collect();
    }
    let mut all = vec![main];
    for &sub in &row.subresources {
        let (group, version, kind) = row.subresource_kind(sub);
        let mut entry = json!({"name": format!("{}/{}", row.plural, sub.name()), "singularName": "",
            "namespaced": namespaced, "kind": kind, "verbs": sub.verbs()});
        if (group, version) != (&*row.group, &*row.version) {
            entry["group"] = group.into();
            entry["version"] = version.into();
        }
        all.push(entry);
    }
    all
}

#[test]
fn rows_are_those_of_discovery() {
    let Ok(text) = std::fs::read_to_string(DISCOVERY) else {
        return;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let mut want: BTreeMap<(String, String), Value> = BTreeMap::new();
    for document in file["documents"].as_object().unwrap().values() {
        if document["kind"] != "APIResourceList" {
            continue;
        }
        for resource in document["resources"].as_array().unwrap() {
            let name = resource["name"].as_str().unwrap().to_owned();
            if LEFT_OUT.contains(&name.split('/').next().unwrap()) {
                continue;
            }
            let mut resource = resource.clone();
            resource.as_object_mut().unwrap().remove("storageVersionHash");
            want.insert((document["groupVersion"].as_str().unwrap().to_owned(), name), resource);
        }
    }
    let mut got = BTreeMap::new();
    for row in table() {
        for entry in discovered(row) {
            got.insert((row.api_version(), entry["name"].as_str().unwrap().to_owned()), entry);
        }
    }
    for (key, value) in &want {
        assert_eq!(got.get(key), Some(value), "{key:?}");
    }
    for key in got.keys() {
        assert!(want.contains_key(key), "{key:?} is not upstream's");
    }
}

#[test]
fn every_row_is_in_a_group_and_is_found() {
    for row in table() {
        let versions = groups().iter().find(|(group, _)| *group == &*row.group).unwrap().1;
        assert!(versions.contains(&&*row.version), "{}", row.qualified());
        assert_eq!(&*find(&row.group, &row.version, &row.plural).unwrap().kind, &*row.kind);
        assert_eq!(&*find_kind(&row.group, &row.version, &row.kind).unwrap().plural, &*row.plural);
    }
}

#[test]
fn certificate_requests_are_called_as_kubelets_call_them() {
    let row = find("certificates.k8s.io", "v1", "certificatesigningrequests").unwrap();
    assert!(row.strategy.validate_name("node-csr-8Qm5ujL0mrBn_x").is_empty());
    assert!(!row.strategy.validate_name("a/b").is_empty());
}
