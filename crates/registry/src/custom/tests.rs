//! Paths, versions and rows.

use super::*;
use serde_json::json;

#[test]
fn paths_find_what_they_name() {
    let object = json!({"spec": {"list": [{"t": "a", "n": 1}, {"t": "b", "n": 2}], "a.b": "dotted"}});
    let find =
        |path: &str| -> Vec<Value> { JsonPath::parse(path).unwrap().find(&object).into_iter().cloned().collect() };
    assert_eq!(find(".spec.list[0].t"), [json!("a")]);
    assert_eq!(find(".spec.list[-1].t"), [json!("b")]);
    assert_eq!(find(".spec.list[*].n"), [json!(1), json!(2)]);
    assert_eq!(find(".spec.list[?(@.t==\"b\")].n"), [json!(2)]);
    assert_eq!(find(".spec.list[?(@.n>1)].t"), [json!("b")]);
    assert_eq!(find(".spec.a\\.b"), [json!("dotted")]);
    assert_eq!(find(".spec['a.b']"), [json!("dotted")]);
    assert_eq!(find("..n"), [json!(1), json!(2)]);
    assert_eq!(find(".spec.list[0:1].n"), [json!(1)]);
    assert!(find(".nothing.here").is_empty());
    assert!(JsonPath::parse(".a[").is_err());
}

#[test]
fn versions_sort_by_stability() {
    let mut versions = vec!["foo10", "v1", "v10", "v11alpha2", "v3beta1", "foo1", "v10beta3", "v2"];
    versions.sort_by(|a, b| compare_versions(a, b));
    assert_eq!(versions, ["v10", "v2", "v1", "v10beta3", "v3beta1", "v11alpha2", "foo1", "foo10"]);
}

#[test]
fn each_served_version_is_a_row() {
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Widget"}, "versions": [
            {"name": "v1beta1", "served": true, "storage": false, "deprecated": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"a": {"type": "string"}}}}},
            {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "a": {"type": "string", "default": "x"}, "b": {"type": "string"}}}}},
            {"name": "v0", "served": false, "storage": false}]},
        "status": {"acceptedNames": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}}
    });
    let rows = rows(&definition).unwrap();
    let names: Vec<&str> = rows.iter().map(|row| &*row.version).collect();
    assert_eq!(names, ["v1", "v1beta1"]);
    let beta = rows[1].custom.as_ref().unwrap();
    assert_eq!(
        beta.deprecation_warning.as_deref(),
        Some("example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget")
    );
    assert!(rows[0].has(Subresource::Status) && !rows[1].has(Subresource::Status));
    let Storage::Shared { conversion, .. } = &rows[1].storage else { panic!("own") };
    let stored = json!({"apiVersion": "example.com/v1", "kind": "Widget", "b": "y", "metadata": {"name": "n"}});
    let served = conversion.to_served(stored);
    assert_eq!(
        served,
        json!({"apiVersion": "example.com/v1beta1", "kind": "Widget", "a": "x", "metadata": {"name": "n"}})
    );
}

#[test]
fn columns_end_before_the_first_path_that_does_not_parse() {
    use crate::columns::Printer as _;
    let names = |paths: &[&str]| -> Vec<String> {
        let entries: Vec<Value> =
            paths.iter().map(|path| json!({"name": path, "type": "string", "jsonPath": path})).collect();
        let printer = columns::CustomPrinter::new(entries.iter());
        assert_eq!(printer.row(&json!({}), jiff::Timestamp::UNIX_EPOCH).cells.len(), printer.columns().len());
        printer.columns().iter().map(|column| column.name.to_string()).collect()
    };
    assert_eq!(names(&[]), ["Name", "Age"]);
    assert_eq!(names(&[".a", ".b["]), ["Name", ".a"]);
    assert_eq!(names(&[".a[", ".b"]), ["Name"]);
}

fn strategy(schema: &Value) -> strategy::CustomStrategy {
    strategy::CustomStrategy::new(Node::compile(schema).unwrap(), true, None, Vec::new())
}

#[test]
fn repeated_items_stay_where_there_were_some() {
    use crate::{Strategy as _, Update};
    let schema = json!({"type": "object", "properties": {"set": {"type": "array", "x-kubernetes-list-type": "set",
        "items": {"type": "integer"}}}});
    let update = |old: Value, new: Value| {
        let update = Update { old: &old, new: &new, subresource: None, text_changed: false };
        strategy(&schema).validate_update(update).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(update(json!({"set": [1]}), json!({"set": [1, 1]})), ["set[1]: Duplicate value: 1"]);
    assert!(update(json!({"set": [1, 1]}), json!({"set": [1, 1, 2, 2]})).is_empty());
}

#[test]
fn finalizers_without_a_domain_are_warned_of_once() {
    use crate::Strategy as _;
    let with = |list: &[&str]| json!({"metadata": {"finalizers": list}});
    let warnings = |new: &[&str], old: Option<&[&str]>| {
        strategy(&json!({"type": "object"})).warnings(&with(new), old.map(with).as_ref())
    };
    assert!(warnings(&["orphan", "a.b/c"], None).is_empty());
    assert_eq!(
        warnings(&["mine", "a.b"], None),
        [
            "metadata.finalizers: \"a.b\": prefer a domain-qualified finalizer name including a path (/) to avoid accidental \
             conflicts with other finalizer writers",
            "metadata.finalizers: \"mine\": prefer a domain-qualified finalizer name to avoid accidental conflicts with other \
             finalizer writers"
        ]
    );
    assert!(warnings(&["mine"], Some(&["mine"])).is_empty());
}
