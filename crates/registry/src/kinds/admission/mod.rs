//! Admission configurations: webhooks, policies and their bindings
//! (`k8s.io/kubernetes/pkg/apis/admissionregistration/validation`).

mod binding;
mod conditions;
mod defaults;
mod matching;
mod policy;
mod webhook;

pub(crate) use binding::PolicyBinding;
pub(crate) use policy::Policy;
pub(crate) use webhook::WebhookConfiguration;

use crate::At;
use crate::admission::{Scope, Wanted};
use api::field::ErrorList;
use cel_kubernetes::Type;

/// Which of the two kinds of admission a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// May change objects.
    Mutating,
    /// May only refuse.
    Validating,
}

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const REINVOCATION_POLICIES: [&str; 2] = ["IfNeeded", "Never"];

/// Compiles the expression here; its type, if it compiles.
fn compile(at: &At, scope: &Scope, wanted: Wanted, errors: &mut ErrorList) -> Option<Type> {
    compile_as(at, (at.str(), at.str()), scope, wanted, errors)
}

/// The same without the space around the expression, which messages do not quote either.
fn compile_trimmed(at: &At, scope: &Scope, wanted: Wanted, errors: &mut ErrorList) {
    let source = at.str().trim();
    compile_as(at, (source, source), scope, wanted, errors);
}

/// The same of `source`, which messages quote as `quoted`.
fn compile_as(
    at: &At,
    (source, quoted): (&str, &str),
    scope: &Scope,
    wanted: Wanted,
    errors: &mut ErrorList,
) -> Option<Type> {
    match scope.compile(source, wanted) {
        Ok(program) => Some(program.result().clone()),
        Err(words) => {
            errors.push(at.invalid_value(quoted, words));
            None
        }
    }
}
