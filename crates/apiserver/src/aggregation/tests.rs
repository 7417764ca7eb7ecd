//! What tells delegated paths apart, and the headers that say who asks.

use super::*;
use crate::authz::fixture::Objects;
use serde_json::json;

#[test]
fn paths_belong_to_group_versions() {
    for (path, expected) in [
        ("/apis/a.b/v1", Some(("a.b", "v1"))),
        ("/apis/a.b/v1/", Some(("a.b", "v1"))),
        ("/apis/a.b/v1/namespaces/x/y", Some(("a.b", "v1"))),
        ("/api/v1/pods", Some(("", "v1"))),
        ("/apis/a.b", None),
        ("/apis/a.b/", None),
        ("/apis", None),
        ("/healthz", None),
    ] {
        assert_eq!(group_version(path), expected, "{path}");
    }
}

#[test]
fn services_are_found_as_soon_as_they_are_there() {
    let objects = Objects::new(Vec::new());
    let aggregator = Aggregator::new(objects.reader(), None);
    let path = "/apis/a.b/v1/things";
    assert!(aggregator.find(path).is_none());
    let service = |status: &str| {
        json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.a.b"},
            "spec": {"group": "a.b", "version": "v1", "service": {"namespace": "n", "name": "s"}},
            "status": {"conditions": [{"type": "Available", "status": status}]}})
    };
    objects.put(service("False"));
    assert_eq!(aggregator.find(path).map(|one| (one.available, one.port)), Some((false, 443)));
    objects.put(service("True"));
    assert_eq!(aggregator.find(path).map(|one| one.available), Some(true));
    assert!(aggregator.find("/apis/a.b/v2/things").is_none());
    objects.remove("apiregistration.k8s.io", "apiservices", &Value::Null, &"v1.a.b".into());
    assert!(aggregator.find(path).is_none());
}

#[test]
fn who_asks_is_said_by_us_alone() {
    let mut headers = HeaderMap::new();
    headers.insert("x-remote-user", HeaderValue::from_static("root"));
    headers.insert("x-remote-extra-scopes", HeaderValue::from_static("all"));
    headers.insert("accept", HeaderValue::from_static("*/*"));
    let mut user = UserInfo::new("jane", &["devs"]);
    user.uid = "7".to_owned();
    user.extra.insert("example.org/a b%".to_owned(), vec!["1".to_owned(), "2".to_owned()]);
    set_user(&mut headers, &user);
    let all: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let mut said: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
    said.sort();
    let expected = [
        "accept=*/*",
        "x-remote-extra-example.org%2Fa%20b%25=1",
        "x-remote-extra-example.org%2Fa%20b%25=2",
        "x-remote-group=devs",
        "x-remote-group=system:authenticated",
        "x-remote-uid=7",
        "x-remote-user=jane",
    ];
    let expected: Vec<String> = expected.iter().map(|text| text.replace("%2F", "%2f")).collect();
    assert_eq!(said, expected);
}
