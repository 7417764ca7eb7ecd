//! Limit ranges.

use crate::object::{child_or_new, children, str_at};
use crate::pod::defaults::round_quantities;
use crate::pod::{is_overcommit_allowed, validate_container_resource_name, validate_resource_name};
use crate::quantity::Amount;
use crate::{At, Strategy, Update, names};
use api::field::ErrorList;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The strategy of limit ranges.
#[derive(Debug)]
pub(crate) struct LimitRange;

impl Strategy for LimitRange {
    fn default(&self, object: &mut Value) {
        let Value::Object(range) = object else { return };
        for item in children(child_or_new(range, "spec"), "limits") {
            if str_at(item, "type") == "Container" {
                default_of_containers(item);
            }
            for amounts in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
                round_quantities(item, amounts);
            }
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let range = At::root(object);
        let spec = range.at("spec");
        let mut seen = BTreeSet::new();
        for item in spec.at("limits").items() {
            let kind = item.at("type");
            validate_type(&kind, &mut errors);
            if !seen.insert(kind.str()) {
                errors.push(kind.duplicate());
            }
            validate_item(&item, &mut errors);
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        self.validate(update.new)
    }
}

/// `SetDefaults_LimitRangeItem`: `max` is the default limit, and the default limit or `min` the default request.
fn default_of_containers(item: &mut Map<String, Value>) {
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        let Some(amounts) = item.get(from).and_then(Value::as_object).cloned() else {
            continue;
        };
        let target = child_or_new(item, to);
        for (name, amount) in amounts {
            target.entry(name).or_insert(amount);
        }
    }
}

fn validate_type(kind: &At, errors: &mut ErrorList) {
    let wrong = names::qualified_name(kind.str());
    if !wrong.is_empty() {
        errors.extend(wrong.into_iter().map(|w| kind.invalid_value(kind.str(), w)));
    } else if !kind.str().contains('/') && !matches!(kind.str(), "Pod" | "Container" | "PersistentVolumeClaim") {
        errors.push(kind.invalid("must be a standard limit type or fully qualified"));
    }
}

fn validate_item(item: &At, errors: &mut ErrorList) {
    let of_pod = item.at("type").str() == "Pod";
    let mut resources = BTreeSet::new();
    for list in ["max", "min", "default", "defaultRequest"] {
        let amounts = item.at(list);
        if !of_pod || !list.starts_with("default") {
            validate_names(item, &amounts, errors);
            resources.extend(amounts.entries().map(|(name, _)| name));
        } else if !amounts.is_empty() {
            errors.push(amounts.forbidden("may not be specified when `type` is 'Pod'"));
        }
    }
    let stores = |list: &str| item.at(list).key("storage").exists();
    if item.at("type").str() == "PersistentVolumeClaim" && !stores("min") && !stores("max") {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.push(item.at("limits").required(detail));
    }
    let ratios = item.at("maxLimitRequestRatio");
    validate_names(item, &ratios, errors);
    resources.extend(ratios.entries().map(|(name, _)| name));
    for name in resources {
        validate_order(item, name, errors);
        validate_ratio(item, name, errors);
        validate_overcommit(item, name, errors);
    }
}

/// `validateLimitRangeResourceName`
fn validate_names(item: &At, amounts: &At, errors: &mut ErrorList) {
    for (name, amount) in amounts.entries() {
        if matches!(item.at("type").str(), "Pod" | "Container") {
            validate_container_resource_name(name, &amount.path(), errors);
        } else {
            validate_resource_name(name, &amount.path(), errors);
        }
    }
}

/// What a list says of a resource; the defaults of a pod, which has none, do not count.
fn text<'v>(item: &At<'_, 'v>, list: &str, name: &str) -> &'v str {
    if item.at("type").str() == "Pod" && list.starts_with("default") { "" } else { item.at(list).key(name).str() }
}

/// min ≤ default request ≤ default ≤ max.
fn validate_order(item: &At, name: &str, errors: &mut ErrorList) {
    let text = |list: &str| text(item, list, name);
    // Which list is blamed, which value is shown, the smaller and the greater side, and what they are called.
    let rules = [
        ("min", "min", "min", "max", "min value", "max value"),
        ("defaultRequest", "defaultRequest", "min", "defaultRequest", "min value", "default request value"),
        ("defaultRequest", "defaultRequest", "defaultRequest", "max", "default request value", "max value"),
        (
            "defaultRequest",
            "defaultRequest",
            "defaultRequest",
            "default",
            "default request value",
            "default limit value",
        ),
        ("default", "min", "min", "default", "min value", "default value"),
        ("default", "max", "default", "max", "default value", "max value"),
    ];
    for (blamed, shown, small, great, small_name, great_name) in rules {
        let (Some(low), Some(high)) = (Amount::parse(text(small)), Amount::parse(text(great))) else {
            continue;
        };
        if low > high {
            let detail = format!("{small_name} {} is greater than {great_name} {}", text(small), text(great));
            errors.push(item.at(blamed).key(name).invalid_value(text(shown), detail));
        }
    }
}

/// How much more than is asked for may be used: at least as much, and no more than lies between min and max.
fn validate_ratio(item: &At, name: &str, errors: &mut ErrorList) {
    let amount = |list: &str| Amount::parse(text(item, list, name));
    let Some(ratio) = amount("maxLimitRequestRatio") else {
        return;
    };
    let ratios = item.at("maxLimitRequestRatio");
    let at = ratios.key(name);
    if ratio < Amount::whole(1) {
        errors.push(at.invalid(format!("ratio {} is less than 1", at.str())));
    }
    if let (Some(low), Some(high)) = (amount("min"), amount("max")) {
        let most = high.milli_value() as f64 / low.milli_value() as f64;
        if ratio.milli_value() as f64 / 1000.0 > most {
            errors.push(at.invalid(format!("ratio {} is greater than max/min = {most:.6}", at.str())));
        }
    }
}

/// Of what cannot be promised twice a container gets what it asks for.
fn validate_overcommit(item: &At, name: &str, errors: &mut ErrorList) {
    let (default, request) = (text(item, "default", name), text(item, "defaultRequest", name));
    let differs = Amount::parse(default) != Amount::parse(request);
    if !is_overcommit_allowed(name) && !default.is_empty() && !request.is_empty() && differs {
        let detail = format!("default value {default} must equal to defaultRequest value {request} in {name}");
        errors.push(item.at("defaultRequest").key(name).invalid_value(request, detail));
    }
}
