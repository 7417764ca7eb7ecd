//! Expressions at work: their variables, and what comes of them.

use super::authorizer::Authorizer;
use super::matching::{self, Objects, Version};
use super::review;
use crate::chain::Attributes;
use crate::server::Api;
use cel_kubernetes::{Budget, Lazy, Program, Type, Value as CelValue};
use registry::admission::{Scope, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Upstream's `RuntimeCELCostBudgetMatchConditions`
const CONDITIONS_BUDGET: u64 = 2_500_000;

/// An expression, compiled or not.
#[derive(Debug)]
pub(super) struct Expression {
    /// As it was written, without the space around it.
    pub(super) source: String,
    program: Result<Program, String>,
}

/// The variables of one evaluation.
pub(super) type Variables = BTreeMap<String, CelValue>;

impl Expression {
    pub(super) fn compile(source: &Value, scope: &Scope, wanted: Wanted) -> Self {
        let source = source.as_str().unwrap_or_default().trim().to_owned();
        Self { program: scope.compile(&source, wanted), source }
    }

    pub(super) fn program(&self) -> Option<&Program> {
        self.program.as_ref().ok()
    }

    /// The result, or why there is none in upstream's words.
    pub(super) fn evaluate<'p>(
        &'p self,
        variables: &Variables,
        lazy: &mut Lazy<'p>,
        budget: &mut Budget,
    ) -> Result<CelValue, String> {
        let program = self.program.as_ref().map_err(|error| format!("compilation error: {error}"))?;
        let result = program.evaluate_with(variables, lazy, budget);
        result.map_err(|error| format!("expression '{}' resulted in error: {error}", self.source))
    }
}

/// What `matchConditions` say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All hold.
    Matches,
    /// One does not.
    Differs,
    /// None is false, but one could not be evaluated.
    Failed(String),
}

/// Evaluates conditions: one that is false decides, whatever else goes wrong.
pub(super) fn conditions(conditions: &[Expression], variables: &Variables) -> Verdict {
    let mut budget = Budget::new(CONDITIONS_BUDGET);
    let mut errors: Vec<String> = Vec::new();
    for condition in conditions {
        match condition.evaluate(variables, &mut Lazy::default(), &mut budget) {
            Ok(CelValue::Bool(true)) => {}
            Ok(_) => return Verdict::Differs,
            Err(error) => errors.push(error),
        }
    }
    match errors.as_slice() {
        [] => Verdict::Matches,
        [one] => Verdict::Failed(one.clone()),
        many => Verdict::Failed(format!("[{}]", many.join(", "))),
    }
}

/// The variables that every expression has.
pub(super) fn variables(
    api: &Arc<Api>,
    attributes: &Attributes<'_>,
    version: &Version,
    objects: &Objects<'_>,
) -> Variables {
    let plain = |value: &Value| CelValue::from_json(value, &Type::Dyn);
    let namespace = matching::namespace(api, &attributes.namespace).filter(|_| !attributes.namespace.is_empty());
    BTreeMap::from([
        ("object".to_owned(), plain(&objects.object)),
        ("oldObject".to_owned(), plain(&objects.old)),
        ("request".to_owned(), plain(&review::request(attributes, version))),
        ("namespaceObject".to_owned(), namespace.map_or(CelValue::Null, |namespace| namespace_object(&namespace))),
        ("authorizer".to_owned(), Authorizer::value(api, attributes)),
    ])
}

fn namespace_object(namespace: &Value) -> CelValue {
    let mut metadata = namespace["metadata"].clone();
    metadata["UID"] = metadata["uid"].clone();
    let shown = json!({"metadata": metadata, "spec": namespace["spec"], "status": namespace["status"]});
    CelValue::from_json(&shown, &registry::admission::namespace())
}
