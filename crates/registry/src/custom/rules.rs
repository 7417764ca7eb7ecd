//! The CEL rules of custom resources: compiled with the schema, evaluated with each write
//! (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go`).

use super::declarations::{declare, environment};
use crate::kinds::field_path;
use api::field::{Error, ErrorList, Path};
use api::structural::{ListKind, Node, RuleSource};
use cel_kubernetes::{Budget, EvaluateError, Program, RUNTIME_COST_BUDGET, Type, Value as CelValue};
use serde_json::Value;
use std::collections::BTreeMap;

/// How long the result of a message expression may be, in bytes.
const MAX_MESSAGE_BYTES: usize = 5 << 10;

/// The rules at one place of a schema and below.
#[derive(Debug)]
pub(super) struct Rules {
    ty: Type,
    own: Vec<Rule>,
    properties: BTreeMap<String, Rules>,
    values: Option<Box<Rules>>,
    items: Option<Box<Rules>>,
}

#[derive(Debug)]
struct Rule {
    source: RuleSource,
    program: Program,
    message: Option<Program>,
    /// Whether it compares with the old value.
    is_transition: bool,
}

impl Rules {
    /// The rules of a schema; `None` when it has none. What does not compile was refused when the definition was written.
    pub(super) fn compile(node: &Node, is_resource: bool) -> Option<Self> {
        let ty = declare(node, is_resource, "self")?;
        let compile = |source: &RuleSource| {
            let environment = environment(&ty, source.optional_old_self == Some(true));
            let program = Program::compile(source.rule.trim(), &environment).ok()?;
            let message = Some(source.message_expression.trim()).filter(|text| !text.is_empty());
            let message = message.and_then(|text| Program::compile(text, &environment).ok());
            let is_transition = program.uses("oldSelf");
            Some(Rule { source: source.clone(), program, message, is_transition })
        };
        let below = |node: &Node| Self::compile(node, false);
        let properties: BTreeMap<String, Self> =
            node.properties.iter().filter_map(|(name, node)| Some((name.clone(), below(node)?))).collect();
        let rules = Self {
            own: node.rules.iter().filter_map(compile).collect(),
            properties,
            values: node.additional_node().and_then(below).map(Box::new),
            items: node.items.as_deref().and_then(below).map(Box::new),
            ty,
        };
        let empty =
            rules.own.is_empty() && rules.properties.is_empty() && rules.values.is_none() && rules.items.is_none();
        (!empty).then_some(rules)
    }

    /// What the rules say of a value.
    pub(super) fn validate(&self, node: &Node, value: &Value, old: Option<&Value>) -> ErrorList {
        let mut run = Run { budget: Budget::new(RUNTIME_COST_BUDGET), errors: ErrorList::new() };
        // Running out of budget has been reported; there is nothing more to check then.
        let _complete = run.walk(self, node, value, old, &Path::default());
        run.errors
    }
}

struct Run {
    budget: Budget,
    errors: ErrorList,
}

impl Run {
    /// Own rules, then those below; `None`: the budget is used up.
    fn walk(&mut self, rules: &Rules, node: &Node, value: &Value, old: Option<&Value>, path: &Path) -> Option<()> {
        if value.is_null() {
            return Some(());
        }
        if !rules.own.is_empty() {
            self.own(rules, value, old, path)?;
        }
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let old = old.and_then(|old| old.get(key));
                    if let (Some(below), Some(node)) = (rules.properties.get(key), node.properties.get(key)) {
                        self.walk(below, node, value, old, &path.child(key))?;
                    } else if let (Some(below), Some(node)) = (&rules.values, node.additional_node()) {
                        self.walk(below, node, value, old, &path.key(key))?;
                    }
                }
            }
            Value::Array(list) => {
                if let (Some(below), Some(items)) = (&rules.items, &node.items) {
                    for (index, item) in list.iter().enumerate() {
                        // Of a list that has not changed no item has, also where items cannot be told apart.
                        let old = if old == Some(value) { Some(item) } else { old_item(node, item, old) };
                        self.walk(below, items, item, old, &path.index(index))?;
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    fn own(&mut self, rules: &Rules, value: &Value, old: Option<&Value>, path: &Path) -> Option<()> {
        let new = CelValue::from_json(value, &rules.ty);
        let old_value = old.filter(|old| !old.is_null()).map(|old| CelValue::from_json(old, &rules.ty));
        for rule in &rules.own {
            let optional = rule.source.optional_old_self == Some(true);
            if rule.is_transition && old_value.is_none() && !optional {
                continue;
            }
            // What has not changed is not complained of (KEP-4008).
            if !rule.is_transition && old == Some(value) {
                continue;
            }
            let mut variables = BTreeMap::from([("self".to_owned(), new.clone())]);
            if optional {
                variables.insert("oldSelf".to_owned(), CelValue::Optional(old_value.clone().map(Box::new)));
            } else if let Some(old) = &old_value {
                variables.insert("oldSelf".to_owned(), old.clone());
            }
            self.one(rule, &variables, value, path)?;
        }
        Some(())
    }

    fn one(&mut self, rule: &Rule, variables: &BTreeMap<String, CelValue>, value: &Value, path: &Path) -> Option<()> {
        let shown = Some(rule.source.message.trim()).filter(|text| !text.is_empty()).unwrap_or(rule.source.rule.trim());
        let words = match rule.program.evaluate(variables, &mut self.budget) {
            Ok(CelValue::Bool(true)) => return Some(()),
            Ok(_) => self.message(rule, variables),
            Err(EvaluateError::CostExceeded) if self.budget.left() == 0 => {
                let words =
                    "validation failed due to running out of cost budget, no further validation rules will be run";
                self.errors.push(omitting(path, value, words.to_owned()));
                return None;
            }
            Err(error @ EvaluateError::CostExceeded) => {
                let words = format!(
                    "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}"
                );
                self.errors.push(omitting(path, value, words));
                return None;
            }
            Err(error @ EvaluateError::NoOverload) => format!(
                "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {shown}"
            ),
            Err(error) => format!("{error} evaluating rule: {shown}"),
        };
        let steps = field_path::parse(&rule.source.field_path).unwrap_or_default();
        let place = steps.iter().fold(path.clone(), |path, step| path.child(&step.name));
        let value = if steps.is_empty() { value } else { &Value::Null };
        self.errors.push(match rule.source.reason.as_deref() {
            Some("FieldValueForbidden") => Error::forbidden(&place, words),
            Some("FieldValueRequired") => Error::required(&place, words),
            Some("FieldValueDuplicate") => Error { detail: words, ..Error::duplicate(&place, value.clone()) },
            _ => omitting(&place, value, words),
        });
        Some(())
    }

    fn message(&mut self, rule: &Rule, variables: &BTreeMap<String, CelValue>) -> String {
        let made = rule.message.as_ref().and_then(|program| program.evaluate(variables, &mut self.budget).ok());
        if let Some(CelValue::String(text)) = made {
            let text = text.trim();
            if !text.is_empty() && !text.contains('\n') && text.len() <= MAX_MESSAGE_BYTES {
                return text.to_owned();
            }
        }
        match rule.source.message.trim() {
            "" => format!("failed rule: {}", rule.source.rule.trim()),
            message => message.to_owned(),
        }
    }
}

/// `Invalid value`, quoting scalars and leaving out everything else.
fn omitting(path: &Path, value: &Value, words: String) -> Error {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Error::invalid(path, value.clone(), words),
        _ => Error::invalid(path, Value::Null, "").printed_as(words),
    }
}

fn old_item<'v>(node: &Node, item: &Value, old: Option<&'v Value>) -> Option<&'v Value> {
    let ListKind::Map(keys) = &node.list_kind else { return None };
    old?.as_array()?.iter().find(|other| keys.iter().all(|key| other.get(key) == item.get(key)))
}
