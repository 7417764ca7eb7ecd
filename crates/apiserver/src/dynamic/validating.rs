//! ValidatingAdmissionPolicy (`k8s.io/apiserver/pkg/admission/plugin/policy/validating`): decisions of all policies are
//! gathered first, then warned of and refused.

use super::configuration::{Binding, Compiled, Policy, Validation};
use super::evaluation::{self, Variables, Verdict};
use super::params;
use crate::admission::forbidden;
use crate::chain::Attributes;
use crate::server::Api;
use api::status::Status;
use cel_kubernetes::{Budget, Lazy, RUNTIME_COST_BUDGET, Type, Value as CelValue};
use std::sync::Arc;

/// How long the result of a message expression may be, in bytes.
const MAX_MESSAGE_BYTES: usize = 5 << 10;
/// Reviews are questions, not objects; no policy is asked about them.
const EXCLUDED: [(&str, &str); 6] = [
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
];

/// Why a request is not let through.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) message: String,
    pub(super) reason: &'static str,
    pub(super) code: u16,
}

impl From<String> for Denial {
    fn from(message: String) -> Self {
        Self { message, reason: "Invalid", code: 422 }
    }
}

/// The resources that policies can be about.
pub(super) fn concerns(attributes: &Attributes<'_>) -> bool {
    let own = (&*attributes.resource.group, &*attributes.resource.plural);
    !EXCLUDED.contains(&own)
}

/// `admission.NewForbidden` with the reason that the policy gives.
pub(super) fn refuse(attributes: &Attributes<'_>, message: &str, denial: &Denial) -> Status {
    let status = forbidden(attributes, message).with_cause("", message, "");
    Status { code: denial.code, reason: denial.reason, ..status }
}

/// Asks all policies.
pub(super) async fn check(api: &Arc<Api>, policies: &[Policy], attributes: &mut Attributes<'_>) -> Result<(), Status> {
    if !concerns(attributes) {
        return Ok(());
    }
    let mut denied: Option<(String, Denial)> = None;
    let mut warnings = Vec::new();
    for Policy { policy, bindings } in policies.iter().filter(|one| !one.bindings.is_empty()) {
        let Some(version) = policy.matcher.matches(api, attributes) else { continue };
        let matches = |binding: &&Binding| binding.matcher.matches(api, attributes).is_some();
        let concerned: Vec<&Binding> = bindings.iter().filter(matches).collect();
        if concerned.is_empty() {
            continue;
        }
        let objects = version.both(api, attributes).await?;
        let mut variables = evaluation::variables(api, attributes, &version, &objects);
        for binding in concerned {
            let who = format!("ValidatingAdmissionPolicy '{}' with binding '{}'", policy.name, binding.name);
            let params = match params::collect(api, policy, binding, attributes).await {
                Ok(params) => params,
                Err(error) if policy.fails => {
                    let denial = Denial::from(format!("failed to configure binding: {error}"));
                    denied.get_or_insert((who, denial));
                    continue;
                }
                Err(_) => continue,
            };
            for param in params {
                variables.insert("params".to_owned(), CelValue::from_json(&param, &Type::Dyn));
                for denial in decisions(policy, &variables) {
                    tell(binding, &who, &denial, &mut warnings);
                    if binding.denies {
                        denied.get_or_insert((who.clone(), denial));
                    }
                }
            }
        }
    }
    attributes.warnings.append(&mut warnings);
    match denied {
        None => Ok(()),
        Some((who, denial)) => Err(refuse(attributes, &format!("{who} denied request: {}", denial.message), &denial)),
    }
}

fn tell(binding: &Binding, who: &str, denial: &Denial, warnings: &mut Vec<String>) {
    if binding.warns {
        warnings.push(format!("Validation failed for {who}: {}", denial.message));
    }
    if binding.audits {
        tracing::info!(target: "pintle::audit", policy = who, message = denial.message, "validation_failure");
    }
}

/// What one policy finds wrong.
fn decisions(policy: &Compiled, variables: &Variables) -> Vec<Denial> {
    match evaluation::conditions(&policy.conditions, variables) {
        Verdict::Matches => {}
        Verdict::Differs => return Vec::new(),
        Verdict::Failed(error) => return if policy.fails { vec![error.into()] } else { Vec::new() },
    }
    let mut lazy = policy.lazy();
    let mut budget = Budget::new(RUNTIME_COST_BUDGET);
    let mut found = Vec::new();
    for validation in &policy.validations {
        match validation.expression.evaluate(variables, &mut lazy, &mut budget) {
            Ok(CelValue::Bool(true)) => {}
            Ok(_) => {
                let message = message(validation, variables, &mut lazy, &mut budget);
                found.push(Denial { message, reason: validation.reason, code: validation.code });
            }
            Err(error) if policy.fails => found.push(error.into()),
            Err(_) => {}
        }
    }
    for (key, expression) in &policy.annotations {
        match expression.evaluate(variables, &mut lazy, &mut budget) {
            Ok(CelValue::String(value)) => {
                tracing::info!(target: "pintle::audit", policy = policy.name, key, %value, "audit annotation");
            }
            Ok(_) => {}
            Err(error) if policy.fails => found.push(error.into()),
            Err(_) => {}
        }
    }
    found
}

fn message<'p>(validation: &'p Validation, variables: &Variables, lazy: &mut Lazy<'p>, budget: &mut Budget) -> String {
    let made = validation.message_expression.as_ref().map(|dynamic| dynamic.evaluate(variables, lazy, budget));
    if let Some(Ok(CelValue::String(text))) = made {
        let text = text.trim();
        if !text.is_empty() && !text.contains('\n') && text.len() <= MAX_MESSAGE_BYTES {
            return text.to_owned();
        }
    }
    match validation.message.as_str() {
        "" => format!("failed expression: {}", validation.expression.source),
        message => message.to_owned(),
    }
}
