//! Structural schemas of custom resources, compiled once per version of a CustomResourceDefinition.
//!
//! [`Node`] is the schema; [`validate`] says in upstream's words (kube-openapi's, and those of apiextensions around them)
//! what is wrong with a value; [`validate_embedded`] and [`validate_lists`] check what OpenAPI cannot say. The shape alone
//! (pruning, defaults, merging) is [`crate::schema`]'s. What not: CEL rules, and whether a schema is a good one.

mod combine;
mod embedded;
pub mod format;
mod former;
mod lists;
mod node;
mod numbers;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;
mod validate;

pub use embedded::{validate_embedded, validate_resource};
pub use former::{Former, same_keys};
pub use lists::validate_lists;
pub use node::{Additional, Bound, JsonType, ListKind, Node, RuleSource};
pub use parse::CompileError;
pub use pattern::{Pattern, PatternError};
pub use validate::{type_of, validate};
