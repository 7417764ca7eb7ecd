//! The CEL rules of custom resources, compiled with the schema: [`run`] evaluates them with each write
//! (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`).

mod lineage;
mod run;
#[cfg(test)]
mod tests;

use super::declarations::{declare, environment};
use crate::kinds::field_path;
use api::field::{ErrorList, Path};
use api::structural::{Node, RuleSource};
use cel_kubernetes::{Environment, Program, Type};
use serde_json::Value;
use std::collections::BTreeMap;

/// The rules at one place of a schema and below.
#[derive(Debug)]
pub(crate) struct Rules {
    ty: Type,
    own: Vec<Rule>,
    properties: BTreeMap<String, Rules>,
    values: Option<Box<Rules>>,
    items: Option<Box<Rules>>,
}

#[derive(Debug)]
struct Rule {
    source: RuleSource,
    /// `Err`: why there is none. Where a definition is written that is refused.
    program: Result<Program, String>,
    message: Option<Program>,
    /// Whether it compares with the old value.
    is_transition: bool,
    /// `fieldPath` as error messages have it.
    place: Option<String>,
}

impl Rules {
    /// The rules of a schema; `None` when it has none.
    pub(super) fn compile(node: &Node) -> Option<Self> {
        Self::at(node, true)
    }

    /// The rules of a part of a schema, as of a default there.
    pub(crate) fn of_part(node: &Node) -> Option<Self> {
        Self::at(node, false)
    }

    fn at(node: &Node, is_resource: bool) -> Option<Self> {
        let ty = declare(node, is_resource, "self")?;
        let below = |node: &Node| Self::at(node, false);
        let of_property = |(name, node): (&String, &Node)| Some((name.clone(), below(node)?));
        let rules = Self {
            own: node.rules.iter().filter_map(|rule| Rule::compile(rule, node, &ty)).collect(),
            properties: node.properties.iter().filter_map(of_property).collect(),
            values: node.additional_node().and_then(below).map(Box::new),
            items: node.items.as_deref().and_then(below).map(Box::new),
            ty,
        };
        let empty =
            rules.own.is_empty() && rules.properties.is_empty() && rules.values.is_none() && rules.items.is_none();
        (!empty).then_some(rules)
    }

    /// What the rules say of a value; errors that are tolerated among it, of values that were there before.
    pub(crate) fn validate(&self, node: &Node, value: &Value, old: Option<&Value>, path: &Path) -> ErrorList {
        run::run(self, node, value, old, path)
    }
}

impl Rule {
    /// `None` of an empty one.
    fn compile(source: &RuleSource, node: &Node, ty: &Type) -> Option<Self> {
        if source.rule.trim().is_empty() {
            return None;
        }
        let environment = environment(ty, source.optional_old_self == Some(true));
        let program = compile_rule(&source.rule, &environment);
        let message = Some(source.message_expression.trim()).filter(|text| !text.is_empty());
        let message = message.and_then(|text| Program::compile(text, &environment).ok());
        let is_transition = program.as_ref().is_ok_and(|program| program.uses("oldSelf"));
        let place = field_path::resolve(&source.field_path, node, true);
        let place = place.ok().filter(|_| !source.field_path.is_empty()).map(|(_, place)| place.to_string());
        Some(Self { source: source.clone(), program, message, is_transition, place })
    }

    /// What the rule is called where it fails.
    fn shown(&self) -> &str {
        if self.source.message.is_empty() { self.source.rule.trim() } else { self.source.message.trim() }
    }
}

/// A rule's expression; `Err`: what is wrong with it.
pub(crate) fn compile_rule(source: &str, environment: &Environment) -> Result<Program, String> {
    match Program::compile(source, environment) {
        Ok(program) if matches!(program.result(), Type::Bool) => Ok(program),
        Ok(_) => Err("cel expression must evaluate to a bool".to_owned()),
        Err(error) => Err(format!("compilation failed: {error}")),
    }
}
