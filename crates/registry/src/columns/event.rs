//! The rows of events, of both groups: they are one kind in two forms.

use super::Row;
use super::age::since;
use super::cells::name;
use crate::At;
use jiff::Timestamp;
use serde_json::Value;

/// What differs between the two forms: names of fields.
struct Form {
    object: &'static str,
    message: &'static str,
    source: &'static str,
    controller: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
}

const CORE: Form = Form {
    object: "involvedObject",
    message: "message",
    source: "source",
    controller: "reportingComponent",
    first: "firstTimestamp",
    last: "lastTimestamp",
    count: "count",
};

const V1: Form = Form {
    object: "regarding",
    message: "note",
    source: "deprecatedSource",
    controller: "reportingController",
    first: "deprecatedFirstTimestamp",
    last: "deprecatedLastTimestamp",
    count: "deprecatedCount",
};

pub(super) fn core(object: &Value, now: Timestamp) -> Row {
    event(object, now, &CORE)
}

pub(super) fn v1(object: &Value, now: Timestamp) -> Row {
    event(object, now, &V1)
}

fn event(object: &Value, now: Timestamp, form: &Form) -> Row {
    let event = At::root(object);
    let first = match event.at(form.first).str() {
        "" => event.at("eventTime").str(),
        first => first,
    };
    let series = event.at("series");
    let (last, count) = if series.exists() {
        (series.at("lastObservedTime").str(), series.at("count").int().unwrap_or(0))
    } else {
        let last = event.at(form.last).str();
        // A single event of the new form has no count.
        let count = event.at(form.count).int().filter(|count| *count != 0).unwrap_or(1);
        (if last.is_empty() { first } else { last }, count)
    };
    let target = event.at(form.object);
    let kind = target.at("kind").str().to_lowercase();
    let about = match target.at("name").str() {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        since(last, now).into(),
        event.at("type").str().into(),
        event.at("reason").str().into(),
        about.into(),
        target.at("fieldPath").str().into(),
        source(&event, form).into(),
        event.at(form.message).str().trim().into(),
        since(first, now).into(),
        count.into(),
        name(object),
    ]
    .into()
}

/// `kubelet, node1`
fn source(event: &At, form: &Form) -> String {
    let source = event.at(form.source);
    let either = |a: &str, b: &str| if a.is_empty() { b.to_owned() } else { a.to_owned() };
    let component = either(source.at("component").str(), event.at(form.controller).str());
    let host = either(source.at("host").str(), event.at("reportingInstance").str());
    if host.is_empty() { component } else { format!("{component}, {host}") }
}
