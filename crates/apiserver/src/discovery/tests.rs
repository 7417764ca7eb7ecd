//! Discovery documents compared with the reference server's.

use super::*;
use serde_json::Value;
use std::path::PathBuf;

fn builtin() -> Discovery {
    let rows: Vec<Arc<Resource>> = registry::table().iter().cloned().map(Arc::new).collect();
    Discovery::new(&rows, &[], "10.0.0.1:6443")
}

fn json(document: &Document) -> Value {
    serde_json::from_slice(&document.body).unwrap()
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
    for row in registry::table() {
        let base = if row.group.is_empty() { "/api" } else { "/apis" };
        let path = format!("{base}/{}", row.api_version());
        assert!(reference["documents"].get(&path).is_some(), "{path} is not in the reference");
    }
    for (path, expected) in reference["documents"].as_object().unwrap() {
        let mut expected = expected.clone();
        if path == "/api" {
            expected["serverAddressByClientCIDRs"][0]["serverAddress"] = "10.0.0.1:6443".into();
        }
        let actual = json(&discovery.respond(path, "").flatten().unwrap_or_else(|| panic!("no {path}")));
        assert_eq!(actual, expected, "{path}");
    }
}

#[test]
fn aggregated_documents_are_those_of_the_reference() {
    let Some(reference) = reference() else { return };
    let discovery = builtin();
    for path in ["/api", "/apis"] {
        let expected = reference["aggregated"][path].clone();
        let document = discovery.respond(path, AGGREGATED).flatten().unwrap();
        assert_eq!(document.content_type, AGGREGATED);
        assert_eq!(json(&document), expected, "{path}");
    }
}

#[test]
fn forms_and_paths() {
    let discovery = builtin();
    let kind = |path: &str, accept: &str| {
        let document = discovery.respond(path, accept)??;
        Some(json(&document)["kind"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(kind("/apis/", "").as_deref(), Some("APIGroupList"));
    let kubectl = format!(
        "{AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
    );
    assert_eq!(kind("/apis", &kubectl).as_deref(), Some("APIGroupDiscoveryList"));
    let old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    assert_eq!(kind("/apis", old).as_deref(), Some("APIGroupList"));
    let only_old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    for (path, accept) in [("/apis/apps", AGGREGATED), ("/apis", only_old), ("/apis", "text/plain")] {
        assert_eq!(discovery.respond(path, accept).map(|document| document.is_none()), Some(true), "{accept}");
    }
    assert_eq!(kind("/api/v1/", "*/*").as_deref(), Some("APIResourceList"));
    assert_eq!(kind("/apis/no.such.group", ""), None);
    let document = discovery.respond("/api", "").flatten().unwrap();
    assert!(document.matches(&document.etag) && document.matches("*") && !document.matches("\"x\""));
}

#[test]
fn other_forms_say_the_same() {
    let discovery = builtin();
    let yaml = discovery.respond("/apis/apps", "application/yaml").flatten().unwrap();
    assert_eq!(yaml.content_type, "application/yaml");
    let decoded = api::codec::decode_yaml(&yaml.body).unwrap().value;
    assert_eq!(decoded, json(&discovery.respond("/apis/apps", "").flatten().unwrap()));
    let protobuf = "application/vnd.kubernetes.protobuf";
    for (path, version, kind) in
        [("/api", "v1", "APIVersions"), ("/apis", "v1", "APIGroupList"), ("/apis/apps", "v1", "APIGroup")]
    {
        let document = discovery.respond(path, protobuf).flatten().unwrap();
        assert_eq!(document.content_type, protobuf);
        let mut read = crate::protobuf::decode(&document.body, ("", "")).unwrap();
        assert_eq!((&read["apiVersion"], &read["kind"]), (&version.into(), &kind.into()));
        let mut plain = json(&discovery.respond(path, "").flatten().unwrap());
        for value in [&mut read, &mut plain] {
            value.as_object_mut().unwrap().remove("apiVersion");
        }
        assert_eq!(read, plain, "{path}");
    }
    let aggregated = format!("{protobuf};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let document = discovery.respond("/apis", &aggregated).flatten().unwrap();
    assert_eq!(document.content_type, aggregated);
    let read = crate::protobuf::decode(&document.body, ("", "")).unwrap();
    let plain = json(&discovery.respond("/apis", AGGREGATED).flatten().unwrap());
    let names = |list: &Value| {
        list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&read), names(&plain));
    assert_eq!(read["items"][0]["versions"][0]["resources"], plain["items"][0]["versions"][0]["resources"]);
}
