//! Labels, annotations and label selectors wherever they stand in an object
//! (`k8s.io/apimachinery/pkg/apis/meta/v1/validation`).

use crate::At;
use crate::names;
use api::field::ErrorList;
use serde_json::Value;

/// The type of selectors, for messages that quote one.
pub(crate) const LABEL_SELECTOR: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector";
/// All annotations of an object together, keys and values, in bytes.
const TOTAL_ANNOTATION_SIZE_LIMIT_BYTES: usize = 256 * 1024;

/// `ValidateLabelName`: a label key.
pub(crate) fn validate_label_name(key: &At, errors: &mut ErrorList) {
    key.check(errors, names::qualified_name);
}

/// `ValidateLabels`: errors name the map, not the entry.
pub(crate) fn validate_labels(labels: &At, errors: &mut ErrorList) {
    for (key, value) in labels.entries() {
        errors.extend(names::qualified_name(key).into_iter().map(|wrong| labels.invalid_value(key, wrong)));
        let value = value.str();
        errors.extend(names::label_value(value).into_iter().map(|wrong| labels.invalid_value(value, wrong)));
    }
}

/// `ValidateAnnotations`
pub(crate) fn validate_annotations(annotations: &At, errors: &mut ErrorList) {
    let mut total = 0;
    for (key, value) in annotations.entries() {
        // Upper case was allowed once, so that keys are checked in lower case.
        let lower = key.to_lowercase();
        errors.extend(names::qualified_name(&lower).into_iter().map(|wrong| annotations.invalid_value(key, wrong)));
        total += key.len() + value.len();
    }
    if total > TOTAL_ANNOTATION_SIZE_LIMIT_BYTES {
        errors.push(annotations.too_long(TOTAL_ANNOTATION_SIZE_LIMIT_BYTES));
    }
}

/// `ValidateLabelSelector`
pub(crate) fn validate_label_selector(selector: &At, errors: &mut ErrorList) {
    if !selector.exists() {
        return;
    }
    validate_labels(&selector.at("matchLabels"), errors);
    for expression in selector.at("matchExpressions").items() {
        let values = expression.at("values");
        match expression.at("operator").str() {
            "In" | "NotIn" if values.is_empty() => {
                errors.push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
            }
            "In" | "NotIn" => {}
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.push(values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
            }
            "Exists" | "DoesNotExist" => {}
            operator => {
                errors.push(expression.at("operator").invalid_value(operator, "not a valid selector operator"));
            }
        }
        validate_label_name(&expression.at("key"), errors);
        for value in values.items() {
            value.check(errors, names::label_value);
        }
    }
}

/// Whether a valid label selector (`matchLabels` and `matchExpressions`) selects `labels`. One that is invalid selects
/// nothing.
pub(crate) fn selector_matches(selector: &Value, labels: &Value) -> bool {
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    let exact = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    exact.into_iter().all(|(key, value)| label(key) == value.as_str())
        && expressions.into_iter().all(|expression| {
            let field = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
            let actual = label(field("key"));
            let listed = || {
                let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
                values.into_iter().any(|v| v.as_str() == actual)
            };
            match field("operator") {
                "In" => actual.is_some() && listed(),
                "NotIn" => actual.is_none() || !listed(),
                "Exists" => actual.is_some(),
                "DoesNotExist" => actual.is_none(),
                _ => false,
            }
        })
}
