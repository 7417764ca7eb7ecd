//! CEL as Kubernetes has it: expressions that are typed when they are written, cost what can be told beforehand, and stop
//! when they have cost too much.
//!
//! The `cel` crate parses; here are the types ([`Type`]), the checker, the estimate of costs, the evaluation with its
//! budget, and Kubernetes' function libraries. [`Program::compile`] and [`Program::evaluate`] are the whole of it. What
//! not: which expressions there are and what their results mean; CRD rules and admission policies know that.

mod check;
mod cost;
mod escape;
mod evaluate;
mod expression;
mod functions;
mod host;
mod literals;
mod overloads;
mod parse;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub use cost::Cost;
pub use escape::escape;
pub use evaluate::{Budget, EvaluateError};
pub use host::{Host, Lazy};
pub use types::{Field, ObjectType, Type};
pub use value::{Key, Value};

use expression::Expression;
use std::collections::BTreeMap;

/// How long an expression may be, in bytes: upstream's `celconfig.MaxEvaluatedMessageExpressionSizeBytes` is smaller, and
/// real rules are much smaller than this.
pub const MAX_SOURCE_BYTES: usize = 64 << 10;

/// Upstream's `PerCallLimit`: what one evaluation may cost.
pub const PER_CALL_LIMIT: u64 = 1_000_000;
/// Upstream's `RuntimeCELCostBudget`: what all evaluations of one request may cost together.
pub const RUNTIME_COST_BUDGET: u64 = 10_000_000;

/// Why an expression does not compile, in cel-go's words: `ERROR: <input>:1:5: undefined field 'b'`, with the line and a
/// mark under the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(pub String);

/// What an expression may speak of: variables and their types.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Name and type of each variable.
    pub variables: BTreeMap<String, Type>,
    /// Types that may be constructed: `Object{…}` and those of its fields, by name.
    pub objects: bool,
    /// How many elements or characters a value of unknown type has at most, where that is known: costs are estimated by it.
    pub unknown_size: Option<u64>,
    /// Whether there is `cel.bind`: of all that upstream evaluates only the selectors of devices have it.
    pub bindings: bool,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Program {
    expression: Expression,
    result: Type,
    cost: Cost,
}

impl Program {
    /// Parses and checks an expression, and estimates its cost.
    ///
    /// # Errors
    /// In cel-go's words.
    pub fn compile(source: &str, environment: &Environment) -> Result<Self, CompileError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(CompileError(format!("expression is longer than {MAX_SOURCE_BYTES} bytes")));
        }
        let expression = parse::parse(source, environment.bindings)?;
        let result = check::check(&expression, environment, source)?;
        let cost = cost::estimate(&expression, environment);
        Ok(Self { expression, result, cost })
    }

    /// The type of the result.
    pub fn result(&self) -> &Type {
        &self.result
    }

    /// What an evaluation costs at most, as far as can be told.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether the expression speaks of a variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.expression.uses(variable)
    }

    /// Evaluates the expression and takes what it costs out of the budget.
    ///
    /// # Errors
    /// In cel-go's words: `no such key: x`, `divide by zero`, …
    pub fn evaluate(&self, variables: &BTreeMap<String, Value>, budget: &mut Budget) -> Result<Value, EvaluateError> {
        self.evaluate_with(variables, &mut Lazy::default(), budget)
    }

    /// The same, with fields of `variables` that are evaluated when they are spoken of.
    ///
    /// # Errors
    /// As [`Program::evaluate`].
    pub fn evaluate_with<'p>(
        &'p self,
        variables: &BTreeMap<String, Value>,
        lazy: &mut Lazy<'p>,
        budget: &mut Budget,
    ) -> Result<Value, EvaluateError> {
        evaluate::evaluate(&self.expression, variables, lazy, budget)
    }
}
