//! The rows of a horizontal pod autoscaler, in the form of v2, and of a Scale.

use super::Row;
use super::cells::{age, int, limited, name, or};
use crate::At;
use jiff::Timestamp;
use serde_json::Value;

/// Metrics that the row shows.
const SHOWN: usize = 2;

pub(super) fn scaler(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let target = spec.at("scaleTargetRef");
    let least = spec.at("minReplicas").int().map_or_else(|| "<unset>".to_owned(), |n| n.to_string());
    vec![
        name(object),
        format!("{}/{}", target.at("kind").str(), target.at("name").str()).into(),
        metrics(&spec, &status).into(),
        least.into(),
        int(&spec.at("maxReplicas")),
        int(&status.at("currentReplicas")),
        age(object, now),
    ]
    .into()
}

/// The row of a Scale, whatever it belongs to.
pub(super) fn scale(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    vec![name(object), int(&spec.at("replicas")), int(&status.at("replicas")), age(object, now)].into()
}

/// `cpu: 42%/60%, memory: 90Mi/100Mi + 1 more...`
fn metrics(spec: &At, status: &At) -> String {
    let (specs, statuses) = (spec.at("metrics"), status.at("currentMetrics"));
    let current: Vec<At> = statuses.items().collect();
    let texts: Vec<String> =
        specs.items().enumerate().map(|(index, metric)| one_metric(&metric, current.get(index))).collect();
    if texts.is_empty() { "<none>".to_owned() } else { limited(&texts, SHOWN, ", ") }
}

fn one_metric(metric: &At, status: Option<&At>) -> String {
    let field = match metric.at("type").str() {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".to_owned(),
    };
    let own = metric.at(field);
    let target = own.at("target");
    let observed = |name: &str| -> Option<Value> {
        status?.at(field).at("current").at(name).value().filter(|v| !v.is_null()).cloned()
    };
    let text = |name: &str| {
        let value = observed(name).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        or(&value, "<unknown>").to_owned()
    };
    let average = target.at("averageValue");
    match field {
        "resource" | "containerResource" => {
            let name = own.at("name").str();
            if average.exists() {
                return format!("{name}: {}/{}", text("averageValue"), average.str());
            }
            let percent = |n: Option<i64>, missing: &str| n.map_or_else(|| missing.to_owned(), |n| format!("{n}%"));
            let now = percent(observed("averageUtilization").and_then(|v| v.as_i64()), "<unknown>");
            format!("{name}: {now}/{}", percent(target.at("averageUtilization").int(), "<auto>"))
        }
        "pods" => format!("{}/{}", text("averageValue"), average.str()),
        _ if average.exists() => format!("{}/{} (avg)", text("averageValue"), average.str()),
        _ => format!("{}/{}", text("value"), target.at("value").str()),
    }
}
