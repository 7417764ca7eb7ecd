//! `spec.behavior` of an autoscaler in the annotation that v1 has for it.

use super::{array, ordered, present};
use serde_json::{Value, json};

/// The names of `behavior` in Go and in JSON, in Go's order.
const RULES: [(&str, &str); 4] = [
    ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
    ("SelectPolicy", "selectPolicy"),
    ("Policies", "policies"),
    ("Tolerance", "tolerance"),
];
const POLICY: [(&str, &str); 3] = [("Type", "type"), ("Value", "value"), ("PeriodSeconds", "periodSeconds")];
const DIRECTIONS: [(&str, &str); 2] = [("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")];

/// Upstream prints its internal type here, which has no JSON names.
pub(super) fn to_v1(behavior: &Value) -> String {
    let policy = |policy: &Value| ordered(&POLICY.map(|(go, field)| (go, Some(policy[field].to_string()))));
    let rules = |rules: &Value| {
        if rules.is_null() {
            return "null".to_owned();
        }
        ordered(&RULES.map(|(go, field)| {
            let value = match rules[field].as_array() {
                Some(list) => array(list.iter().map(policy)),
                None => rules[field].to_string(),
            };
            (go, Some(value))
        }))
    };
    ordered(&DIRECTIONS.map(|(go, field)| (go, Some(rules(&behavior[field])))))
}

pub(super) fn to_v2(behavior: &Value) -> Value {
    let policy = |policy: &Value| present(&POLICY.map(|(go, field)| (field, &policy[go])));
    let rules = |rules: &Value| {
        let mut out = present(&RULES.map(|(go, field)| (field, &rules[go])));
        if let Some(list) = rules["Policies"].as_array() {
            out["policies"] = list.iter().map(policy).collect();
        }
        out
    };
    let mut out = json!({});
    for (go, field) in DIRECTIONS.iter().filter(|(go, _)| !behavior[*go].is_null()) {
        out[*field] = rules(&behavior[*go]);
    }
    out
}
