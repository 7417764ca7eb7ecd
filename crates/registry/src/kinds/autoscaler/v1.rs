//! Autoscalers of autoscaling/v1: what v1 has no field for stands in annotations, as JSON with the fields in the order
//! of upstream's Go types, and comes back out of them when v1 is written.

mod behavior;

use crate::Conversion;
use crate::object::{child_or_new, put};
use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const ALL: [&str; 4] = [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR];

/// Stored as v2, served as v1.
#[derive(Debug)]
pub(crate) struct AutoscalersOfV2;

impl Conversion for AutoscalersOfV2 {
    fn to_stored(&self, mut object: Value) -> Value {
        let Value::Object(scaler) = &mut object else { return object };
        scaler.insert("apiVersion".to_owned(), "autoscaling/v2".into());
        let notes = take_annotations(scaler);
        let note = |name: &str| -> Option<Value> {
            notes.get(name).and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok())
        };
        let list = |name: &str| note(name).and_then(|value| value.as_array().cloned()).unwrap_or_default();
        let metrics = list(METRICS);
        let spec = child_or_new(scaler, "spec");
        let percent = spec.remove("targetCPUUtilizationPercentage");
        let mut all: Vec<Value> = metrics.iter().map(metric_to_v2).collect();
        if let Some(percent) = percent {
            let target = json!({"type": "Utilization", "averageUtilization": percent});
            all.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
        }
        put(spec, "metrics", (!all.is_empty()).then_some(all.into()));
        put(spec, "behavior", note(BEHAVIOR).map(|behavior| behavior::to_v2(&behavior)));
        if let Some(status) = scaler.get_mut("status").and_then(Value::as_object_mut) {
            if status.get("currentReplicas").is_some_and(|replicas| *replicas == 0) {
                status.remove("currentReplicas"); // v2 leaves it out
            }
            let mut all: Vec<Value> = list(CURRENT_METRICS).iter().map(current_to_v2).collect();
            if let Some(percent) = status.remove("currentCPUUtilizationPercentage") {
                let current = json!({"averageUtilization": percent});
                all.push(json!({"type": "Resource", "resource": {"name": "cpu", "current": current}}));
            }
            status.insert("currentMetrics".to_owned(), if all.is_empty() { Value::Null } else { all.into() });
            put(status, "conditions", note(CONDITIONS));
        }
        object
    }

    fn to_served(&self, mut object: Value) -> Value {
        let Value::Object(scaler) = &mut object else { return object };
        scaler.insert("apiVersion".to_owned(), "autoscaling/v1".into());
        let mut notes: Vec<(&str, String)> = Vec::new();
        let list = |value: Option<Value>| value.and_then(|v| v.as_array().cloned()).unwrap_or_default();
        let spec = child_or_new(scaler, "spec");
        let mut metrics = list(spec.remove("metrics"));
        if let Some(index) = metrics.iter().position(is_cpu_percentage) {
            let metric = metrics.remove(index);
            let percent = metric["resource"]["target"]["averageUtilization"].clone();
            spec.insert("targetCPUUtilizationPercentage".to_owned(), percent);
        }
        if !metrics.is_empty() {
            notes.push((METRICS, array(metrics.iter().map(metric_to_v1))));
        }
        if let Some(behavior) = spec.remove("behavior").filter(|behavior| behavior.is_object()) {
            notes.push((BEHAVIOR, behavior::to_v1(&behavior)));
        }
        if let Some(status) = scaler.get_mut("status").and_then(Value::as_object_mut) {
            let current = list(status.remove("currentMetrics"));
            let cpu = |metric: &&Value| metric["type"] == "Resource" && metric["resource"]["name"] == "cpu";
            let percent = current.iter().find(cpu).map(|m| m["resource"]["current"]["averageUtilization"].clone());
            put(status, "currentCPUUtilizationPercentage", percent.filter(|percent| !percent.is_null()));
            crate::object::default(status, "currentReplicas", 0);
            if !current.is_empty() {
                notes.push((CURRENT_METRICS, array(current.iter().map(current_to_v1))));
            }
            let conditions = list(status.remove("conditions"));
            if !conditions.is_empty() {
                notes.push((CONDITIONS, array(conditions.iter().map(condition))));
            }
        }
        if !notes.is_empty() {
            let annotations = child_or_new(child_or_new(scaler, "metadata"), "annotations");
            annotations.extend(notes.into_iter().map(|(name, text)| (name.to_owned(), text.into())));
        }
        object
    }
}

/// Whether a scaler of v1 has metrics that v1 has no field for.
pub(super) fn has_other_metrics(scaler: &Map<String, Value>) -> bool {
    let text = scaler.get("metadata").and_then(|metadata| metadata["annotations"].get(METRICS)?.as_str());
    let metrics = text.and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
    metrics.is_some_and(|metrics| !metrics.is_empty())
}

/// Takes the annotations of this conversion off the object.
fn take_annotations(scaler: &mut Map<String, Value>) -> Map<String, Value> {
    let mut taken = Map::new();
    let metadata = child_or_new(scaler, "metadata");
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else { return taken };
    for name in ALL {
        if let Some(value) = annotations.remove(name) {
            taken.insert(name.to_owned(), value);
        }
    }
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    taken
}

fn is_cpu_percentage(metric: &Value) -> bool {
    metric["type"] == "Resource"
        && metric["resource"]["name"] == "cpu"
        && metric["resource"]["target"]["averageUtilization"].is_number()
}

/// A JSON object with its fields in this order; those without a value are left out.
fn ordered(fields: &[(&str, Option<String>)]) -> String {
    let present = fields.iter().filter_map(|(name, text)| text.as_ref().map(|text| format!("\"{name}\":{text}")));
    format!("{{{}}}", present.collect::<Vec<_>>().join(","))
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}

fn or_zero(value: &Value) -> Option<String> {
    Some(if value.is_null() { "\"0\"".to_owned() } else { value.to_string() })
}

/// One metric's source in v1: its fields by type, with what is aimed at or seen under `amounts`, whose names are
/// `target…` or `current…`.
fn source_to_v1(metric: &Value, amounts: &str, prefix: &str) -> String {
    let (object, pods, resource) = (&metric["object"], &metric["pods"], &metric["resource"]);
    let (container, external) = (&metric["containerResource"], &metric["external"]);
    let value = format!("{prefix}Value");
    let (average, percent) = (format!("{prefix}AverageValue"), format!("{prefix}AverageUtilization"));
    let given = |source: &Value, fields: String| (!source.is_null()).then_some(fields);
    let is_target = prefix == "target";
    let needed = |amount: &Value| if is_target { text(amount) } else { or_zero(amount) };
    let (of_resource, of_container, of_external) = (&resource[amounts], &container[amounts], &external[amounts]);
    let described = &object["describedObject"];
    let reference = [
        ("kind", text(&described["kind"])),
        ("name", text(&described["name"])),
        ("apiVersion", text(&described["apiVersion"])),
    ];
    ordered(&[
        ("type", text(&metric["type"])),
        (
            "object",
            given(
                object,
                ordered(&[
                    ("target", Some(ordered(&reference))),
                    ("metricName", text(&object["metric"]["name"])),
                    (&value, or_zero(&object[amounts]["value"])),
                    ("selector", text(&object["metric"]["selector"])),
                    ("averageValue", text(&object[amounts]["averageValue"])),
                ]),
            ),
        ),
        (
            "pods",
            given(
                pods,
                ordered(&[
                    ("metricName", text(&pods["metric"]["name"])),
                    (&average, or_zero(&pods[amounts]["averageValue"])),
                    ("selector", text(&pods["metric"]["selector"])),
                ]),
            ),
        ),
        (
            "resource",
            given(
                resource,
                ordered(&[
                    ("name", text(&resource["name"])),
                    (&percent, text(&of_resource["averageUtilization"])),
                    (&average, needed(&of_resource["averageValue"])),
                ]),
            ),
        ),
        (
            "containerResource",
            given(
                container,
                ordered(&[
                    ("name", text(&container["name"])),
                    (&percent, text(&of_container["averageUtilization"])),
                    (&average, needed(&of_container["averageValue"])),
                    ("container", text(&container["container"])),
                ]),
            ),
        ),
        (
            "external",
            given(
                external,
                ordered(&[
                    ("metricName", text(&external["metric"]["name"])),
                    ("metricSelector", text(&external["metric"]["selector"])),
                    (&value, needed(&of_external["value"])),
                    (&average, text(&of_external["averageValue"])),
                ]),
            ),
        ),
    ])
}

fn metric_to_v1(metric: &Value) -> String {
    source_to_v1(metric, "target", "target")
}

fn current_to_v1(metric: &Value) -> String {
    source_to_v1(metric, "current", "current")
}

fn condition(condition: &Value) -> String {
    let fields = ["type", "status", "lastTransitionTime", "reason", "message"];
    let fields: Vec<(&str, Option<String>)> = fields.iter().map(|name| (*name, text(&condition[*name]))).collect();
    ordered(&fields)
}

/// An object of those fields that have a value.
fn present(fields: &[(&str, &Value)]) -> Value {
    let fields = fields.iter().filter(|(_, value)| !value.is_null());
    fields.map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect::<Map<_, _>>().into()
}

/// One metric's source out of an annotation of v1.
fn source_to_v2(metric: &Value, amounts: &str, prefix: &str) -> Value {
    let mut out = json!({"type": metric["type"]});
    let value = format!("{prefix}Value");
    let (average, percent) = (format!("{prefix}AverageValue"), format!("{prefix}AverageUtilization"));
    for kind in ["object", "pods", "resource", "containerResource", "external"] {
        let source = &metric[kind];
        if source.is_null() {
            continue;
        }
        let whole = if kind == "object" && !source["averageValue"].is_null() { &Value::Null } else { &source[&value] };
        let mean = if kind == "object" { &source["averageValue"] } else { &source[&average] };
        let mut amount =
            present(&[("value", whole), ("averageValue", mean), ("averageUtilization", &source[&percent])]);
        if amounts == "target" {
            let sort = [("averageUtilization", "Utilization"), ("averageValue", "AverageValue"), ("value", "Value")];
            let sort = sort.iter().find(|(field, _)| !amount[*field].is_null()).map_or("", |(_, sort)| sort);
            amount["type"] = sort.into();
        }
        let selector = if kind == "external" { &source["metricSelector"] } else { &source["selector"] };
        let identifier = present(&[("name", &source["metricName"]), ("selector", selector)]);
        let of_metric = matches!(kind, "object" | "pods" | "external");
        out[kind] = present(&[
            ("describedObject", if kind == "object" { &source["target"] } else { &Value::Null }),
            ("metric", if of_metric { &identifier } else { &Value::Null }),
            ("name", &source["name"]),
            ("container", &source["container"]),
            (amounts, &amount),
        ]);
    }
    out
}

fn metric_to_v2(metric: &Value) -> Value {
    source_to_v2(metric, "target", "target")
}

fn current_to_v2(metric: &Value) -> Value {
    source_to_v2(metric, "current", "current")
}
