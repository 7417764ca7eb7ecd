//! What an expression can ask that is neither in its values nor in a library: an authorizer's answers, and variables that
//! are worked out when they are first spoken of.

use crate::Program;
use crate::evaluate::EvaluateError;
use crate::value::Value;
use std::collections::BTreeMap;

/// A value that answers by itself. Its functions and their types stand in the table of overloads.
pub trait Host: std::fmt::Debug + Send + Sync {
    /// The name of its type: `kubernetes.authorization.Authorizer`.
    fn type_name(&self) -> &'static str;

    /// What a function on it gives, or a field (a function without arguments).
    ///
    /// # Errors
    /// [`EvaluateError`].
    fn call(&self, function: &str, args: &[Value]) -> Result<Value, EvaluateError>;
}

/// The fields of the variable `variables`: each is evaluated when it is first spoken of, and at most once.
#[derive(Debug, Default)]
pub struct Lazy<'p> {
    programs: BTreeMap<&'p str, &'p Program>,
    known: BTreeMap<&'p str, Result<Value, EvaluateError>>,
}

impl<'p> Lazy<'p> {
    /// The name under which expressions find them.
    pub const NAME: &'static str = "variables";

    /// Fields by name. Each may speak of those before it.
    pub fn new(programs: impl IntoIterator<Item = (&'p str, &'p Program)>) -> Self {
        Self { programs: programs.into_iter().collect(), known: BTreeMap::new() }
    }

    pub(crate) fn known(&self, name: &str) -> Option<Result<Value, EvaluateError>> {
        self.known.get(name).cloned()
    }

    pub(crate) fn program(&self, name: &str) -> Option<(&'p str, &'p Program)> {
        self.programs.get_key_value(name).map(|(name, program)| (*name, *program))
    }

    pub(crate) fn learn(&mut self, name: &'p str, result: Result<Value, EvaluateError>) {
        self.known.insert(name, result);
    }
}
