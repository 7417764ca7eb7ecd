//! Events: one kind in two forms. Stored are those of core/v1; events.k8s.io/v1 is stricter and names fields anew.

use crate::go_text::go_text;
use crate::names;
use crate::object::put;
use crate::{At, Conversion, GarbageCollection, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;
use std::borrow::Cow;

const IMMUTABLE: &str = "field is immutable";
const REFERENCE: &str = "io.k8s.api.core.v1.ObjectReference";
/// Limits of the new form, in bytes.
const MAX_NAME: usize = 128;
const MAX_MESSAGE: usize = 1024;

/// Field names in core/v1 and in events.k8s.io/v1, where they differ.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The way between both forms.
#[derive(Debug)]
pub(crate) struct EventsOfCore;

impl Conversion for EventsOfCore {
    fn to_stored(&self, object: Value) -> Value {
        rename(object, "v1", |(core, new)| (new, core))
    }

    fn to_served(&self, object: Value) -> Value {
        rename(object, "events.k8s.io/v1", |(core, new)| (core, new))
    }
}

fn rename(
    mut object: Value,
    api_version: &str,
    order: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> Value {
    if let Value::Object(event) = &mut object {
        for (from, to) in RENAMED.map(order) {
            let value = event.remove(from);
            if value.is_some() {
                put(event, to, value);
            }
        }
        event.insert("apiVersion".to_owned(), api_version.into());
    }
    object
}

/// The strategy of core events.
#[derive(Debug)]
pub(crate) struct Event;

impl Strategy for Event {
    fn garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Unsupported
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_legacy(&At::root(object), "reportingComponent", &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        self.validate(update.new)
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        selectable(&At::root(object), "involvedObject")
    }
}

/// The strategy of events in the new form. Validation runs on the stored form, whose paths it names.
#[derive(Debug)]
pub(crate) struct EventV1;

impl Strategy for EventV1 {
    fn garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Unsupported
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let stored = EventsOfCore.to_stored(object.clone());
        let event = At::root(&stored);
        validate_legacy(&event, "reportingController", &mut errors);
        validate_series(&event, &mut errors);
        if event.at("eventTime").is_empty() {
            errors.push(event.at("eventTime").required(""));
        }
        let kind = event.at("type");
        if !matches!(kind.str(), "Normal" | "Warning") {
            errors.push(kind.invalid_value("", format!("has invalid value: {}", kind.str())));
        }
        for field in ["firstTimestamp", "lastTimestamp"] {
            if !event.at(field).is_empty() {
                errors.push(event.at(field).invalid_value("", "needs to be unset"));
            }
        }
        if event.at("count").int().unwrap_or(0) != 0 {
            errors.push(event.at("count").invalid_value("", "needs to be unset"));
        }
        if event.at("source").entries().any(|(_, value)| !value.is_empty()) {
            errors.push(event.at("source").invalid_value("", "needs to be unset"));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (stored, old_stored) =
            (EventsOfCore.to_stored(update.new.clone()), EventsOfCore.to_stored(update.old.clone()));
        let (event, old) = (At::root(&stored), At::root(&old_stored));
        validate_legacy(&event, "reportingController", &mut errors);
        if event.at("series").value() != old.at("series").value() {
            validate_series(&event, &mut errors);
        }
        let fixed = [
            "involvedObject",
            "reason",
            "message",
            "source",
            "firstTimestamp",
            "lastTimestamp",
            "count",
            "reason",
            "type",
            "eventTime",
            "action",
            "related",
            "reportingComponent",
            "reportingInstance",
        ];
        for field in fixed {
            if event.at(field).value() != old.at(field).value() {
                let shown = if field == "reportingComponent" { "reportingController" } else { field };
                let at = event.elsewhere(shown, event.at(field).value());
                // Structs that are no pointers are printed also where nothing is said.
                let whole = |definition: &str| at.invalid(IMMUTABLE).printed_as(go_text(definition, at.value()));
                errors.push(match field {
                    "involvedObject" => whole(REFERENCE),
                    "source" => whole("io.k8s.api.core.v1.EventSource"),
                    "related" => at.invalid_struct(REFERENCE, IMMUTABLE),
                    _ => at.invalid(IMMUTABLE),
                });
            }
        }
        errors
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        selectable(&At::root(object), "regarding")
    }
}

/// `legacyValidateEvent`: the namespaces must agree, and an event with a time is of the new form.
fn validate_legacy(event: &At, controller: &str, errors: &mut ErrorList) {
    let metadata = event.at("metadata");
    let target = event.at("involvedObject");
    let (own, of_target) = (metadata.at("namespace").str(), target.at("namespace").str());
    // one with a time may be about something elsewhere, and those about nodes may be in kube-system
    let is_new = !event.at("eventTime").is_empty();
    let agree = match (of_target.is_empty(), is_new) {
        (true, false) => matches!(own, "" | "default"),
        (true, true) => matches!(own, "default" | "kube-system"),
        (false, false) => own == of_target,
        (false, true) => true,
    };
    if !agree {
        errors.push(target.at("namespace").invalid_value(of_target, "does not match event.namespace"));
    }
    if !is_new {
        return;
    }
    let reporter = event.elsewhere(controller, event.at("reportingComponent").value());
    reporter.require(errors);
    reporter.check(errors, names::qualified_name);
    for field in ["reportingInstance", "action", "reason"] {
        let at = event.at(field);
        at.require(errors);
        if at.len() > MAX_NAME {
            errors.push(at.invalid_value("", format!("can have at most {MAX_NAME} characters")));
        }
    }
    if event.at("message").len() > MAX_MESSAGE {
        errors.push(event.at("message").invalid_value("", format!("can have at most {MAX_MESSAGE} characters")));
    }
}

/// `validateV1EventSeries`
fn validate_series(event: &At, errors: &mut ErrorList) {
    let series = event.at("series");
    if !series.exists() {
        return;
    }
    if series.at("count").int().unwrap_or(0) < 2 {
        errors.push(series.at("count").invalid_value("", "should be at least 2"));
    }
    series.at("lastObservedTime").require(errors);
}

/// The fields of an event that selectors may name, `target` being what its object is called.
fn selectable(event: &At, target: &'static str) -> Vec<(Cow<'static, str>, String)> {
    let object = event.at(target);
    let mut fields: Vec<(Cow<'static, str>, String)> =
        ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"]
            .iter()
            .map(|field| (format!("{target}.{field}").into(), object.at(field).str().to_owned()))
            .collect();
    let text = |field: &str| event.at(field).str().to_owned();
    let (core, new) = (text("reportingComponent"), text("reportingController"));
    let component = if core.is_empty() { new } else { core };
    let source = match (event.at("source").at("component").str(), event.at("deprecatedSource").at("component").str()) {
        ("", "") => component.clone(),
        ("", new) => new.to_owned(),
        (core, _) => core.to_owned(),
    };
    fields.push(("reason".into(), text("reason")));
    let controller = if target == "regarding" { "reportingController" } else { "reportingComponent" };
    fields.push((controller.into(), component));
    fields.push(("source".into(), source));
    fields.push(("type".into(), text("type")));
    fields
}
