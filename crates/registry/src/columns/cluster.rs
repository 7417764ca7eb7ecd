//! Rows of what governs the cluster: admission, access, priorities, leases.

use super::Row;
use super::age::human_duration;
use super::cells::{age, int, int_or_string, name, or_none, or_unset};
use crate::At;
use jiff::Timestamp;
use serde_json::Value;

pub(super) fn webhooks(object: &Value, now: Timestamp) -> Row {
    vec![name(object), At::root(object).at("webhooks").len().into(), age(object, now)].into()
}

pub(super) fn api_service(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let service = root.at("spec").at("service").value();
    let spec = root.at("spec");
    let service = spec.elsewhere("service", service);
    let served_by = match service.exists() {
        true => format!("{}/{}", service.at("namespace").str(), service.at("name").str()),
        false => "Local".to_owned(),
    };
    let status = root.at("status");
    let conditions = status.at("conditions");
    let available = conditions.items().find(|condition| condition.at("type").str() == "Available");
    let available = available.map_or_else(
        || "Unknown".to_owned(),
        |condition| match condition.at("status").str() {
            "True" => "True".to_owned(),
            other => format!("{other} ({})", condition.at("reason").str()),
        },
    );
    vec![name(object), served_by.into(), available.into(), age(object, now)].into()
}

fn policy(object: &Value, now: Timestamp, list: &str) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    let kind = spec.at("paramKind");
    let text = match kind.exists() {
        true => format!("{}/{}", kind.at("apiVersion").str(), kind.at("kind").str()),
        false => String::new(),
    };
    vec![name(object), spec.at(list).len().into(), or_unset(&text), age(object, now)].into()
}

pub(super) fn validating_policy(object: &Value, now: Timestamp) -> Row {
    policy(object, now, "validations")
}

pub(super) fn mutating_policy(object: &Value, now: Timestamp) -> Row {
    policy(object, now, "mutations")
}

pub(super) fn policy_binding(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    let reference = spec.at("paramRef");
    let text = match (reference.at("namespace").str(), reference.at("name").str(), reference.at("selector").exists()) {
        (_, "", true) => super::cells::selector(&reference.at("selector")),
        ("", own, _) => own.to_owned(),
        (namespace, own, _) => format!("{namespace}/{own}"),
    };
    vec![name(object), spec.at("policyName").str().into(), or_unset(&text), age(object, now)].into()
}

pub(super) fn role_binding(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let role = root.at("roleRef");
    let subjects = root.at("subjects");
    let of_kind = |kind: &str| -> Value {
        let matching = subjects.items().filter(|subject| subject.at("kind").str() == kind);
        let names: Vec<String> = matching
            .map(|subject| match kind {
                "ServiceAccount" => format!("{}/{}", subject.at("namespace").str(), subject.at("name").str()),
                _ => subject.at("name").str().to_owned(),
            })
            .collect();
        names.join(", ").into()
    };
    vec![
        name(object),
        format!("{}/{}", role.at("kind").str(), role.at("name").str()).into(),
        age(object, now),
        of_kind("User"),
        of_kind("Group"),
        of_kind("ServiceAccount"),
    ]
    .into()
}

pub(super) fn signing_request(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let duration = spec.at("expirationSeconds").int().map(human_duration).unwrap_or_default();
    let conditions = status.at("conditions");
    let has = |kind: &str| conditions.items().any(|c| c.at("type").str() == kind);
    let mut states: Vec<&str> = Vec::new();
    if has("Denied") {
        states.push("Denied");
    } else if has("Approved") {
        states.push("Approved");
    } else {
        states.push("Pending");
    }
    if has("Failed") {
        states.push("Failed");
    }
    if !status.at("certificate").is_empty() {
        states.push("Issued");
    }
    vec![
        name(object),
        age(object, now),
        spec.at("signerName").str().into(),
        spec.at("username").str().into(),
        or_none(&duration),
        states.join(",").into(),
    ]
    .into()
}

pub(super) fn lease(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    vec![name(object), root.at("spec").at("holderIdentity").str().into(), age(object, now)].into()
}

pub(super) fn runtime_class(object: &Value, now: Timestamp) -> Row {
    vec![name(object), At::root(object).at("handler").str().into(), age(object, now)].into()
}

pub(super) fn disruption_budget(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let amount = |field: &str| int_or_string(&spec.at(field)).unwrap_or_else(|| "N/A".to_owned()).into();
    vec![
        name(object),
        amount("minAvailable"),
        amount("maxUnavailable"),
        int(&status.at("disruptionsAllowed")),
        age(object, now),
    ]
    .into()
}

pub(super) fn priority_class(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    vec![
        name(object),
        int(&root.at("value")),
        root.at("globalDefault").bool().into(),
        age(object, now),
        root.at("preemptionPolicy").str().into(),
    ]
    .into()
}

pub(super) fn resource_claim(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (status, metadata) = (root.at("status"), root.at("metadata"));
    let mut states: Vec<&str> = Vec::new();
    if !metadata.at("deletionTimestamp").is_empty() {
        states.push("deleted");
    }
    if status.at("allocation").exists() {
        states.push("allocated");
    } else if metadata.at("deletionTimestamp").is_empty() {
        states.push("pending");
    }
    if !status.at("reservedFor").is_empty() {
        states.push("reserved");
    }
    vec![name(object), states.join(",").into(), age(object, now)].into()
}

pub(super) fn resource_slice(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    vec![
        name(object),
        or_unset(spec.at("nodeName").str()),
        spec.at("driver").str().into(),
        spec.at("pool").at("name").str().into(),
        age(object, now),
    ]
    .into()
}

pub(super) fn flow_schema(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let conditions = status.at("conditions");
    let dangling = conditions.items().find(|c| c.at("type").str() == "Dangling").map(|c| c.at("status").str());
    vec![
        name(object),
        spec.at("priorityLevelConfiguration").at("name").str().into(),
        int(&spec.at("matchingPrecedence")),
        or_none(spec.at("distinguisherMethod").at("type").str()),
        age(object, now),
        dangling.unwrap_or("?").into(),
    ]
    .into()
}

pub(super) fn priority_level(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    let kind = spec.at("type").str();
    let (limited, exempt) = (spec.at("limited"), spec.at("exempt"));
    let response = limited.at("limitResponse");
    let queuing = response.at("queuing");
    let shares =
        if kind == "Exempt" { exempt.at("nominalConcurrencyShares") } else { limited.at("nominalConcurrencyShares") };
    let number = |at: At| at.int().map_or_else(|| "<none>".into(), Value::from);
    vec![
        name(object),
        kind.into(),
        number(shares),
        number(queuing.at("queues")),
        number(queuing.at("handSize")),
        number(queuing.at("queueLengthLimit")),
        age(object, now),
    ]
    .into()
}
