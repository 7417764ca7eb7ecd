//! `x-kubernetes-validations` of a schema: what can be said of the texts of rules. What not: whether they compile as CEL.

use super::field_path;
use api::field::{Error, ErrorList, Path};
use serde_json::Value;

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// What is wrong with the texts of the rules at one place.
pub(super) fn validate_sources(rules: &[Value], schema: &Value, path: &Path, errors: &mut ErrorList) {
    for (index, rule) in rules.iter().enumerate() {
        let at = path.index(index);
        let text = |name: &str| rule[name].as_str().unwrap_or_default();
        let has_lines = |text: &str| text.contains(['\n', '\r']);
        let (source, message) = (text("rule").trim(), text("message").trim());
        if source.is_empty() {
            errors.push(Error::required(&at.child("rule"), "rule is not specified"));
        } else if !text("message").is_empty() && message.is_empty() {
            let words = "message must be non-empty if specified";
            errors.push(Error::invalid(&at.child("message"), text("message"), words));
        } else if has_lines(message) {
            errors.push(Error::invalid(&at.child("message"), text("message"), "message must not contain line breaks"));
        } else if has_lines(source) && message.is_empty() {
            let words = "message must be specified if rule contains line breaks";
            errors.push(Error::required(&at.child("message"), words));
        }
        if !text("messageExpression").is_empty() && text("messageExpression").trim().is_empty() {
            let words = "messageExpression must be non-empty if specified";
            errors.push(Error::required(&at.child("messageExpression"), words));
        }
        if let Some(reason) = rule["reason"].as_str().filter(|reason| !REASONS.contains(reason)) {
            errors.push(Error::not_supported(&at.child("reason"), reason, &REASONS));
        }
        let field = text("fieldPath");
        if field.is_empty() {
            continue;
        }
        let field_at = at.child("fieldPath");
        if field.trim().is_empty() {
            errors.push(Error::invalid(&field_at, field, "fieldPath must be non-empty if specified"));
        }
        if has_lines(field) {
            errors.push(Error::invalid(&field_at, field, "fieldPath must not contain line breaks"));
        }
        if field_path::resolve(field, Some(schema), true).is_err() {
            errors.push(Error::invalid(&field_at, field, "fieldPath must be a valid path"));
        }
    }
}
