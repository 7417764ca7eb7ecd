//! Rows of the simple kinds of core/v1.

use super::Row;
use super::cells::{age, labels, name, or};
use crate::At;
use jiff::Timestamp;
use serde_json::Value;

pub(super) fn name_and_creation(object: &Value, _now: Timestamp) -> Row {
    vec![name(object), object["metadata"]["creationTimestamp"].clone()].into()
}

pub(super) fn name_and_age(object: &Value, now: Timestamp) -> Row {
    vec![name(object), age(object, now)].into()
}

pub(super) fn config_map(object: &Value, now: Timestamp) -> Row {
    let map = At::root(object);
    let count = map.at("data").len() + map.at("binaryData").len();
    vec![name(object), count.into(), age(object, now)].into()
}

pub(super) fn secret(object: &Value, now: Timestamp) -> Row {
    let secret = At::root(object);
    vec![name(object), secret.at("type").str().into(), secret.at("data").len().into(), age(object, now)].into()
}

pub(super) fn namespace(object: &Value, now: Timestamp) -> Row {
    let status = At::root(object);
    vec![name(object), status.at("status").at("phase").str().into(), age(object, now)].into()
}

/// `pods: 1/500, requests.cpu: 100m/400`, and the same for limits.
pub(super) fn resource_quota(object: &Value, now: Timestamp) -> Row {
    let quota = At::root(object);
    let status = quota.at("status");
    let used = status.at("used");
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, hard) in status.at("hard").entries() {
        let text = format!("{resource}: {}/{}", or(used.key(resource).str(), "0"), hard.str());
        if resource.starts_with("limits") { limits.push(text) } else { requests.push(text) }
    }
    vec![name(object), requests.join(", ").into(), limits.join(", ").into(), age(object, now)].into()
}

/// The labels of an object's template.
pub(super) fn template_labels(template: &At) -> Value {
    let metadata = template.at("metadata");
    labels(&metadata.at("labels")).into()
}

pub(super) fn component_status(object: &Value, _now: Timestamp) -> Row {
    let root = At::root(object);
    let conditions = root.at("conditions");
    let healthy = conditions.items().find(|condition| condition.at("type").str() == "Healthy");
    let (status, message, error) = healthy.map_or(("Unknown", "", ""), |condition| {
        let status = match condition.at("status").str() {
            "True" => "Healthy",
            "False" => "Unhealthy",
            _ => "Unknown",
        };
        (status, condition.at("message").str(), condition.at("error").str())
    });
    vec![name(object), status.into(), message.into(), error.into()].into()
}
