//! The request as expressions and webhooks see it: upstream's `AdmissionRequest`.

use super::matching::{Objects, Version, operation};
use crate::chain::{Attributes, Operation};
use registry::{Resource, Subresource};
use serde_json::{Map, Value, json};

fn kind(row: &Resource, subresource: &str) -> Value {
    let found = row.subresources.iter().find(|one| one.name() == subresource);
    match found.filter(|one| !matches!(one, Subresource::Log)) {
        Some(one) => {
            let (group, version, kind) = row.subresource_kind(*one);
            json!({"group": group, "version": version, "kind": kind})
        }
        None => json!({"group": &*row.group, "version": &*row.version, "kind": &*row.kind}),
    }
}

fn resource(row: &Resource) -> Value {
    json!({"group": &*row.group, "version": &*row.version, "resource": &*row.plural})
}

/// CreateOptions and their like, as far as the query says.
fn options(attributes: &Attributes<'_>) -> Value {
    let mut options = attributes.options.as_object().cloned().unwrap_or_default();
    let kind = match (attributes.operation, attributes.request.verb.as_str()) {
        (Operation::Connect, _) => return Value::Null,
        (Operation::Create, "patch") | (Operation::Update, "patch") => "PatchOptions",
        (Operation::Create, _) => "CreateOptions",
        (Operation::Update, _) => "UpdateOptions",
        (Operation::Delete, _) => "DeleteOptions",
    };
    options.insert("kind".to_owned(), kind.into());
    options.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
    let query = &attributes.request.query;
    for name in ["fieldManager", "fieldValidation"] {
        if let Some(value) = query.get(name).filter(|value| !value.is_empty()) {
            options.insert(name.to_owned(), value.into());
        }
    }
    if attributes.dry_run {
        options.insert("dryRun".to_owned(), json!(["All"]));
    }
    if kind == "PatchOptions" && query.get("force").is_some() {
        options.insert("force".to_owned(), query.flag("force").into());
    }
    Value::Object(options)
}

/// The request without its objects and its uid.
pub(super) fn request(attributes: &Attributes<'_>, version: &Version) -> Value {
    let (own, row, user) = (attributes.resource, version.row(attributes), attributes.user);
    let mut request = Map::new();
    let mut put = |name: &str, value: Value| drop(request.insert(name.to_owned(), value));
    put("kind", kind(row, attributes.subresource));
    put("resource", resource(row));
    put("requestKind", kind(own, attributes.subresource));
    put("requestResource", resource(own));
    if !attributes.subresource.is_empty() {
        put("subResource", attributes.subresource.into());
        put("requestSubResource", attributes.subresource.into());
    }
    if !attributes.name.is_empty() {
        put("name", attributes.name.as_str().into());
    }
    if !attributes.namespace.is_empty() {
        put("namespace", attributes.namespace.as_str().into());
    }
    put("operation", operation(attributes.operation).into());
    let mut who = Map::new();
    for (name, text) in [("username", &user.name), ("uid", &user.uid)] {
        if !text.is_empty() {
            who.insert(name.to_owned(), text.as_str().into());
        }
    }
    if !user.groups.is_empty() {
        who.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        who.insert("extra".to_owned(), json!(user.extra));
    }
    put("userInfo", Value::Object(who));
    put("dryRun", attributes.dry_run.into());
    put("options", options(attributes));
    Value::Object(request)
}

/// The whole review that a webhook is sent.
pub(super) fn review(
    attributes: &Attributes<'_>,
    version: &Version,
    objects: Objects<'_>,
    api_version: &str,
    uid: &str,
) -> Value {
    let mut request = request(attributes, version);
    request["uid"] = uid.into();
    request["object"] = objects.object.into_owned();
    request["oldObject"] = objects.old.into_owned();
    json!({"kind": "AdmissionReview", "apiVersion": api_version, "request": request})
}
