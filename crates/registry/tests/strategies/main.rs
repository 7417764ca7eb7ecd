//! What strategies make of objects, as data: one statement a case, the answer as text.
//!
//! The corpus (`golden.rs`) has what was recorded; here are the rules that it has no sample of.

mod addresses;
mod admission;
mod batch;
mod cron_jobs;
mod defaults;
mod definitions;
mod devices;
mod job_templates;
mod kinds;
mod limits;
mod nodes;
mod pod_resizes;
mod pod_status;
mod pods;
mod policies;
mod services;
mod volumes;
mod warnings;
mod workloads;

use api::field::ErrorList;
use api::patch::merge;
use registry::{Occasion, Requestor, Resource, Subresource, Update};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The row of `v1/services` or `apps/v1/deployments`.
fn row(path: &str) -> &'static Resource {
    let parts: Vec<&str> = path.split('/').collect();
    let (group, version, plural) = match parts.as_slice() {
        [version, plural] => ("", *version, *plural),
        [group, version, plural] => (*group, *version, *plural),
        _ => panic!("no path of a row: {path}"),
    };
    registry::find(group, version, plural).unwrap_or_else(|| panic!("no row {path}"))
}

/// An object as it comes out of decoding and defaulting, with the metadata that the server adds.
fn decoded(row: &Resource, object: &Value) -> Value {
    let mut object = object.clone();
    api::codec::conform(&mut object, row.schema().expect("every row has a type")).expect("the types fit");
    let metadata = object["metadata"].as_object_mut().expect("metadata is always written");
    metadata.entry("name").or_insert_with(|| "x".into());
    metadata.insert("creationTimestamp".to_owned(), "2026-01-02T03:04:05Z".into());
    row.strategy.default(&mut object);
    object
}

fn stamp(row: &Resource, new: &mut Value, old: Option<&Value>) {
    let extra = BTreeMap::new();
    let user = Requestor { name: "jane", uid: "u", groups: &[], extra: &extra };
    row.strategy.stamp(new, old, &Occasion { now: "2026-01-02T03:04:05Z", user });
}

/// The errors, one a line; `ok` when there are none.
fn shown(errors: &ErrorList) -> String {
    if errors.is_empty() {
        return "ok".to_owned();
    }
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A new object, whatever is wrong with it.
fn prepared(path: &str, object: &Value) -> Value {
    let row = row(path);
    let mut new = decoded(row, object);
    row.strategy.prepare_for_create(&mut new);
    stamp(row, &mut new, None);
    new
}

/// What is wrong with a new object.
fn created(path: &str, object: &Value) -> String {
    shown(&row(path).strategy.validate(&prepared(path, object)))
}

/// What is wrong with a change: `change` is a merge patch of `object`.
fn updated(path: &str, object: &Value, change: &Value) -> String {
    written(path, object, change, None)
}

/// The same with the status.
fn status_updated(path: &str, object: &Value, change: &Value) -> String {
    written(path, object, change, Some(Subresource::Status))
}

fn written(path: &str, object: &Value, change: &Value, subresource: Option<Subresource>) -> String {
    let row = row(path);
    let mut old = decoded(row, object);
    stamp(row, &mut old, None);
    let mut new = decoded(row, &merge::apply(&old, change).expect("a merge patch always applies"));
    row.strategy.prepare_for_update(&mut new, &old, subresource);
    stamp(row, &mut new, Some(&old));
    shown(&row.validate_update(Update { old: &old, new: &new, subresource, text_changed: false }))
}

/// The warnings about a new object, one a line.
fn warned(path: &str, object: &Value) -> String {
    row(path).strategy.warnings(&prepared(path, object), None).join("\n")
}

/// `base` with a merge patch.
fn with(base: &Value, change: Value) -> Value {
    merge::apply(base, &change).expect("a merge patch always applies")
}

#[test]
fn a_case_that_is_fine_says_so() {
    assert_eq!(created("v1/configmaps", &json!({"data": {"a": "b"}})), "ok");
    assert_eq!(updated("v1/configmaps", &json!({"data": {"a": "b"}}), &json!({"data": {"a": "c"}})), "ok");
}
