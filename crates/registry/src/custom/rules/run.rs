//! Evaluating the rules of a schema, within a budget
//! (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go`).

use super::lineage::Lineage;
use super::{Rule, Rules};
use api::field::{Error, ErrorList, Path};
use api::structural::{Node, same_keys};
use cel_kubernetes::{Budget, EvaluateError, RUNTIME_COST_BUDGET, Value as CelValue};
use serde_json::Value;
use std::collections::BTreeMap;

/// How long the result of a message expression may be, in bytes.
const MAX_MESSAGE_BYTES: usize = 5 << 10;

/// What the rules say of a value.
pub(super) fn run(rules: &Rules, node: &Node, value: &Value, old: Option<&Value>, path: &Path) -> ErrorList {
    let mut run = Run { budget: Budget::new(RUNTIME_COST_BUDGET), errors: ErrorList::new() };
    let place = Place { node, value, old, lineage: Lineage::of(node, value, old), path: path.clone() };
    // Running out of budget has been reported; there is nothing more to check then.
    let _complete = run.walk(rules, &place);
    run.errors
}

type Variables = BTreeMap<String, CelValue>;

struct Run {
    budget: Budget,
    errors: ErrorList,
}

/// One place of an object.
struct Place<'a> {
    node: &'a Node,
    value: &'a Value,
    /// What `oldSelf` is.
    old: Option<&'a Value>,
    lineage: Lineage<'a>,
    path: Path,
}

impl<'a> Place<'a> {
    fn key(&self, key: &str, node: &'a Node, value: &'a Value, path: Path) -> Place<'a> {
        let old = self.old.and_then(|old| old.get(key));
        Place { node, value, old, lineage: self.lineage.key(key, value), path }
    }

    /// The word for values that a message does not quote.
    fn kind(&self) -> &'static str {
        self.node.kind.map(api::structural::JsonType::name).unwrap_or_default()
    }

    /// A rule that could not be evaluated: the type stands for the value.
    fn broken(&self, words: String) -> Error {
        Error::invalid(&self.path, self.kind(), words)
    }
}

impl Run {
    /// Own rules, then those below; `None`: the budget is used up.
    fn walk(&mut self, rules: &Rules, place: &Place<'_>) -> Option<()> {
        if place.value.is_null() {
            return Some(());
        }
        if !rules.own.is_empty() {
            self.own(rules, place)?;
        }
        match place.value {
            Value::Object(map) => {
                for (key, value) in map {
                    let (path, node) = (&place.path, place.node);
                    if let (Some(below), Some(node)) = (rules.properties.get(key), node.properties.get(key)) {
                        self.walk(below, &place.key(key, node, value, path.child(key)))?;
                    } else if let (Some(below), Some(node)) = (&rules.values, node.additional_node()) {
                        self.walk(below, &place.key(key, node, value, path.key(key)))?;
                    }
                }
            }
            Value::Array(list) => {
                if let (Some(below), Some(node)) = (&rules.items, place.node.items.as_deref()) {
                    let former = place.old.and_then(Value::as_array);
                    for (index, value) in list.iter().enumerate() {
                        let old = former.and_then(|list| same_keys(place.node, value, list));
                        let (lineage, path) = (place.lineage.item(value), place.path.index(index));
                        self.walk(below, &Place { node, value, old, lineage, path })?;
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    fn own(&mut self, rules: &Rules, place: &Place<'_>) -> Option<()> {
        if self.budget.left() == 0 {
            return self.out_of_budget(place);
        }
        let new = CelValue::from_json(place.value, &rules.ty);
        let old = place.old.filter(|old| !old.is_null()).map(|old| CelValue::from_json(old, &rules.ty));
        for rule in &rules.own {
            let optional = rule.source.optional_old_self == Some(true);
            if rule.is_transition && old.is_none() && !optional {
                continue;
            }
            let mut plain = BTreeMap::from([("self".to_owned(), new.clone())]);
            plain.extend(old.clone().map(|old| ("oldSelf".to_owned(), old)));
            if optional {
                let mut variables = plain.clone();
                variables.insert("oldSelf".to_owned(), CelValue::Optional(old.clone().map(Box::new)));
                self.one(rule, (&variables, &plain), place)?;
            } else {
                self.one(rule, (&plain, &plain), place)?;
            }
        }
        Some(())
    }

    fn out_of_budget(&mut self, place: &Place<'_>) -> Option<()> {
        let words = "validation failed due to running out of cost budget, no further validation rules will be run";
        self.errors.push(place.broken(words.to_owned()));
        None
    }

    /// One rule. Upstream's messages see no optional value, whatever the rule sees.
    fn one(&mut self, rule: &Rule, (of_rule, of_message): (&Variables, &Variables), place: &Place<'_>) -> Option<()> {
        let shown = rule.shown();
        let program = match &rule.program {
            Ok(program) => program,
            Err(why) => {
                self.errors.push(place.broken(format!("rule compile error: {why}")));
                return Some(());
            }
        };
        match program.evaluate(of_rule, &mut self.budget) {
            Ok(CelValue::Bool(true)) => Some(()),
            Ok(_) => self.failed(rule, of_message, place),
            Err(EvaluateError::CostExceeded) if self.budget.left() == 0 => self.out_of_budget(place),
            Err(error @ EvaluateError::CostExceeded) => {
                self.errors.push(place.broken(format!(
                    "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}"
                )));
                None
            }
            Err(error @ EvaluateError::NoOverload) => {
                self.errors.push(place.broken(format!(
                    "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {shown}"
                )));
                Some(())
            }
            Err(error) => {
                self.errors.push(place.broken(format!("{error} evaluating rule: {shown}")));
                Some(())
            }
        }
    }

    /// A rule is false: what its error says, and whether it is one.
    fn failed(&mut self, rule: &Rule, variables: &Variables, place: &Place<'_>) -> Option<()> {
        let path = rule.place.as_ref().map_or_else(|| place.path.clone(), |below| place.path.child(below));
        let is_tolerated = !rule.is_transition && place.lineage.is_same();
        let mut push = |error: Error| self.errors.push(if is_tolerated { error.tolerated() } else { error });
        let words = match message(rule, variables, &mut self.budget) {
            Ok(words) => words,
            Err(words) => {
                push(Error::invalid(&path, place.kind(), words));
                return None;
            }
        };
        let value = || match place.kind() {
            "object" | "array" => None,
            _ => Some(place.value.clone()),
        };
        let invalid = |words: String| match value() {
            Some(value) => Error::invalid(&path, value, words),
            None => Error::invalid(&path, Value::Null, words).without_value(),
        };
        push(match rule.source.reason.as_deref() {
            Some("FieldValueForbidden") => Error::forbidden(&path, words),
            Some("FieldValueRequired") => Error::required(&path, words),
            // Upstream drops the words here.
            Some("FieldValueDuplicate") => match value() {
                Some(value) => Error::duplicate(&path, value),
                None => Error::duplicate(&path, Value::Null).without_value(),
            },
            _ => invalid(words),
        });
        Some(())
    }
}

/// What a rule has to say; `Err`: that there is nothing left to find it out with.
fn message(rule: &Rule, variables: &Variables, budget: &mut Budget) -> Result<String, String> {
    let made = rule.message.as_ref().map(|program| program.evaluate(variables, budget));
    match made {
        Some(Ok(CelValue::String(text))) => {
            let text = text.trim();
            if !text.is_empty() && !text.contains('\n') && text.len() <= MAX_MESSAGE_BYTES {
                return Ok(text.to_owned());
            }
        }
        Some(Err(EvaluateError::CostExceeded)) if budget.left() == 0 => {
            let words = "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run";
            return Err(words.to_owned());
        }
        Some(Err(EvaluateError::CostExceeded)) => {
            let source = api::field::go_quote(&rule.source.message_expression);
            return Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {source}"
            ));
        }
        Some(_) | None => {}
    }
    Ok(if rule.source.message.is_empty() { format!("failed rule: {}", rule.shown()) } else { rule.shown().to_owned() })
}
