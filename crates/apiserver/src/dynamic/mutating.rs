//! MutatingAdmissionPolicy (`k8s.io/apiserver/pkg/admission/plugin/policy/mutating`).

use super::configuration::{Compiled, Mutation, Policy};
use super::evaluation::{self, Variables, Verdict};
use super::validating::{Denial, concerns, refuse};
use super::{matching, params};
use crate::chain::{Attributes, Operation};
use crate::decode;
use crate::endpoints::create;
use crate::server::Api;
use api::status::Status;
use cel_kubernetes::{Budget, Lazy, RUNTIME_COST_BUDGET, Type, Value as CelValue};
use registry::Resource;
use serde_json::Value;
use std::sync::Arc;

/// The object as a policy wants it; `None`: the policy is not about this request.
pub(super) async fn apply(
    api: &Arc<Api>,
    Policy { policy, bindings }: &Policy,
    attributes: &mut Attributes<'_>,
) -> Result<Option<Value>, Status> {
    if attributes.operation == Operation::Delete || bindings.is_empty() || !concerns(attributes) {
        return Ok(None);
    }
    let Some(version) = policy.matcher.matches(api, attributes) else { return Ok(None) };
    let before = attributes.object.clone();
    let mut asked = false;
    for binding in bindings {
        if binding.matcher.matches(api, attributes).is_none() {
            continue;
        }
        asked = true;
        let refused = |attributes: &Attributes<'_>, why: String| {
            let message = format!("policy '{}' with binding '{}' denied request: {why}", policy.name, binding.name);
            refuse(attributes, &message, &Denial::from(why))
        };
        let params = match params::collect(api, policy, binding, attributes).await {
            Ok(params) => params,
            Err(error) if policy.fails => {
                return Err(refused(attributes, format!("failed to configure binding: {error}")));
            }
            Err(_) => continue,
        };
        for param in params {
            match mutated(api, policy, attributes, &version, &param).await {
                Ok(object) => attributes.object = object,
                Err(error) if policy.fails => return Err(refused(attributes, error)),
                Err(_) => {}
            }
        }
    }
    let after = std::mem::replace(&mut attributes.object, before);
    Ok(asked.then_some(after))
}

/// The object after all mutations of a policy with one parameter.
async fn mutated(
    api: &Arc<Api>,
    policy: &Compiled,
    attributes: &Attributes<'_>,
    version: &matching::Version,
    param: &Value,
) -> Result<Value, String> {
    let objects = version.both(api, attributes).await.map_err(|status| status.message)?;
    match changed(api, policy, attributes, version, (objects, param))? {
        Some(object) => version.back(api, object, attributes.resource).await.map_err(|status| status.message),
        None => Ok(attributes.object.clone()),
    }
}

/// The same in the version that the policy speaks of; `None`: its conditions do not hold.
fn changed(
    api: &Arc<Api>,
    policy: &Compiled,
    attributes: &Attributes<'_>,
    version: &matching::Version,
    (objects, param): (matching::Objects<'_>, &Value),
) -> Result<Option<Value>, String> {
    let mut variables = evaluation::variables(api, attributes, version, &objects);
    variables.insert("params".to_owned(), CelValue::from_json(param, &Type::Dyn));
    match evaluation::conditions(&policy.conditions, &variables) {
        Verdict::Matches => {}
        Verdict::Differs => return Ok(None),
        Verdict::Failed(error) => return Err(error),
    }
    let row = version.row(attributes);
    let mut object = objects.object.into_owned();
    let mut budget = Budget::new(RUNTIME_COST_BUDGET);
    for mutation in &policy.mutations {
        // Each mutation sees what those before it have made of the object, and so do the variables.
        variables.insert("object".to_owned(), CelValue::from_json(&object, &Type::Dyn));
        object = one(mutation, &variables, &mut policy.lazy(), &mut budget, object, row)?;
    }
    Ok(Some(object))
}

fn one<'p>(
    mutation: &'p Mutation,
    variables: &Variables,
    lazy: &mut Lazy<'p>,
    budget: &mut Budget,
    object: Value,
    row: &Resource,
) -> Result<Value, String> {
    let made = mutation.expression.evaluate(variables, lazy, budget)?;
    let patch = made.to_json().ok_or("the result of the expression cannot be written as JSON")?;
    let schema = decode::schema_of(row).map_err(|status| status.message)?;
    let patched = if mutation.is_json_patch {
        api::patch::json::apply(&object, &patch).map_err(|error| format!("JSON Patch: {error}"))?
    } else {
        api::apply::merge_configuration(schema, &object, &patch)
            .map_err(|error| format!("error applying patch: {error}"))?
    };
    finish(patched, &object, row)
}

/// Brings a changed object into the form that the row wants. What was changed may not be who the object is.
pub(super) fn finish(mut patched: Value, before: &Value, row: &Resource) -> Result<Value, String> {
    let schema = decode::schema_of(row).map_err(|status| status.message)?;
    api::codec::conform(&mut patched, schema).map_err(|error| error.to_string())?;
    for field in ["apiVersion", "kind"] {
        if patched.get(field) != before.get(field) {
            return Err(format!("{field} may not be changed"));
        }
    }
    create::apply_defaults(row, &mut patched).map_err(|status| status.message)?;
    Ok(patched)
}
