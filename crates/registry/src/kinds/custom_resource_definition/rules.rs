//! `x-kubernetes-validations` of a schema: their texts, whether they compile, and what they may cost.

use super::{field_path, printing};
use crate::custom::declarations::{declare, environment};
use crate::custom::rules::compile_rule;
use api::field::{Error, ErrorList, Path};
use api::structural::Node;
use cel_kubernetes::{Program, Type};
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
            errors.push(Error::invalid(&at.child("message"), text("message"), "must be non-empty if specified"));
        } else if has_lines(message) {
            errors.push(Error::invalid(&at.child("message"), text("message"), "must not contain line breaks"));
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
            errors.push(Error::invalid(&field_at, field, "must be non-empty if specified"));
        }
        if has_lines(field) {
            errors.push(Error::invalid(&field_at, field, "must not contain line breaks"));
        }
        if field_path::resolve(field, schema, true).is_err() {
            errors.push(Error::invalid(&field_at, field, "must be a valid path"));
        }
    }
}

/// Upstream's `StaticEstimatedCostLimit`: what one rule may cost by estimate, times how often it runs.
const RULE_COST_LIMIT: u64 = 10_000_000;
/// Upstream's `StaticEstimatedCRDCostLimit`: the same for all rules of a schema together.
const SCHEMA_COST_LIMIT: u64 = 100_000_000;
/// The largest request, in bytes.
const MAX_REQUEST_BYTES: u64 = 3 << 20;
/// How many of the most expensive rules are named when all together are too expensive.
const MOST_EXPENSIVE: usize = 4;

/// Where the rules of one schema are compiled and their costs added up.
pub(super) struct Context<'v> {
    root: &'v Value,
    total: u64,
    expensive: Vec<(u64, Path)>,
}

/// `getCostErrorMessage`
#[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
fn cost_words(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}

impl<'v> Context<'v> {
    pub(super) fn new(root: &'v Value) -> Self {
        Self { root, total: 0, expensive: Vec::new() }
    }

    /// Compiles the rules at one place; `times`: how often they run at most, `None` when only the request's size tells.
    pub(super) fn compile(
        &mut self,
        rules: &[Value],
        schema: &Value,
        path: &Path,
        uncorrelatable: Option<&Path>,
        times: Option<u64>,
        errors: &mut ErrorList,
    ) {
        let is_root = std::ptr::eq(self.root, schema);
        let Some(ty) = Node::compile(schema).ok().and_then(|node| declare(&node, is_root, "self")) else { return };
        let times = times.unwrap_or(MAX_REQUEST_BYTES / (ty.min_bytes() + 1));
        for (index, rule) in rules.iter().enumerate() {
            let at = path.child("x-kubernetes-validations").index(index);
            self.one(rule, &ty, &at, uncorrelatable, times, errors);
        }
    }

    fn observe(&mut self, what: &str, cost: u64, at: Path, errors: &mut ErrorList) {
        if cost > RULE_COST_LIMIT {
            errors.push(Error::forbidden(&at, cost_words(what, cost, RULE_COST_LIMIT)));
        }
        self.total = self.total.saturating_add(cost);
        self.expensive.push((cost, at));
        self.expensive.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        self.expensive.truncate(MOST_EXPENSIVE);
    }

    fn one(
        &mut self,
        rule: &Value,
        ty: &Type,
        at: &Path,
        uncorrelatable: Option<&Path>,
        times: u64,
        errors: &mut ErrorList,
    ) {
        let optional = rule["optionalOldSelf"].as_bool();
        let environment = environment(ty, optional == Some(true));
        let text = |name: &str| rule[name].as_str().unwrap_or_default();
        let invalid = |field: &str, words: String| {
            Error::invalid(&at.child(field), Value::Null, words).printed_as(printing::rule(rule))
        };
        let unused = |optional: bool| {
            let words = "may not be set if oldSelf is not used in rule";
            Error::invalid(&at.child("optionalOldSelf"), optional, words)
        };
        let program = match compile_rule(text("rule"), &environment) {
            Ok(program) => program,
            Err(why) => {
                errors.push(invalid("rule", why));
                // What does not compile uses nothing.
                errors.extend(optional.map(unused));
                return;
            }
        };
        self.observe("estimated rule cost", program.cost().0.saturating_mul(times), at.child("rule"), errors);
        if !text("messageExpression").is_empty() {
            match Program::compile(text("messageExpression"), &environment) {
                Err(error) => {
                    let words = format!("messageExpression compilation failed: {error}");
                    errors.push(invalid("messageExpression", words));
                }
                Ok(message) if !matches!(message.result(), Type::String(_)) => {
                    let words = "messageExpression must evaluate to a string".to_owned();
                    errors.push(invalid("messageExpression", words));
                }
                Ok(message) => {
                    let place = at.child("messageExpression");
                    self.observe("estimated messageExpression cost", message.cost().0, place, errors);
                }
            }
        }
        if program.uses("oldSelf") {
            if let Some(place) = uncorrelatable {
                let words =
                    format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {place}");
                errors.push(Error::invalid(&at.child("rule"), text("rule"), words));
            }
        } else {
            errors.extend(optional.map(unused));
        }
    }

    /// Checks the sum of all costs.
    pub(super) fn finish(self, path: &Path, errors: &mut ErrorList) {
        if self.total <= SCHEMA_COST_LIMIT {
            return;
        }
        for (_, place) in self.expensive.iter().filter(|(cost, _)| *cost > 0) {
            let words = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            errors.push(Error::forbidden(place, words));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.push(Error::forbidden(path, cost_words(what, self.total, SCHEMA_COST_LIMIT)));
    }
}
