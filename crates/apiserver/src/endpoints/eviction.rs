//! `POST pods/NAME/eviction`: a deletion that a disruption budget may refuse, and that is charged to it
//! (`k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go`).
//!
//! [`decide`] is pure: from the pod and the budgets that select it to what has to be done. A budget that allows the
//! eviction is written first, by compare-and-swap, so that of two evictions at once only one is let through by its last
//! disruption. What not: counting healthy pods; that is the disruption controller's.

use super::asked::{self, Phase, Question};
use super::create::storage_error;
use super::delete::{self, DeleteOptions};
use super::page;
use super::subresource::{body, success};
use crate::answer::Answer;
use crate::call::Call;
use api::meta::{ObjectMeta, child_mut};
use api::selector::LabelSelector;
use api::status::{Status, Subject};
use registry::Subresource;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{CommitError, Expect, Revision};

/// Tries of an eviction whose pod or budget changes meanwhile; upstream's `EvictionsRetry`.
const MAX_ATTEMPTS: usize = 20;
/// Evictions that a budget's controller has not seen yet; upstream's `MaxDisruptedPodSize`.
const MAX_DISRUPTED_PODS: usize = 2000;
/// How long a client waits whose budget is not ready to answer, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// What comes of an eviction.
#[derive(Debug)]
enum Decision {
    /// Delete the pod. `as_seen`: only in the state that was looked at, since in another it may count as healthy.
    Delete { as_seen: bool },
    /// Charge this budget, then delete the pod.
    Charge(Value),
    /// Nothing.
    Refuse(Status),
}

/// Serves the request.
pub(super) async fn evict(call: &mut Call<'_>) -> Result<Answer, Status> {
    let eviction = body(call, Subresource::Eviction)?;
    let name = call.info.name.clone();
    if eviction.name() != name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let question = Question { subresource: "eviction", ..Question::create(Phase::Both) };
    let eviction = asked::admit(call, &name, question, eviction).await?;
    let mut options = DeleteOptions::from_value(&eviction["deleteOptions"])?;
    options.dry_run |= call.dry_run();
    for _ in 0..MAX_ATTEMPTS {
        let pod = page::entry(call, &name)?.value();
        let budgets = budgets_of(call, &pod);
        let now = call.now();
        match decide(&pod, &budgets, &now) {
            Decision::Refuse(status) => return Err(status),
            Decision::Delete { as_seen } => {
                let mut own = options.clone();
                let insists = as_seen && own.resource_version.is_none();
                if insists {
                    own.resource_version = Some(pod.resource_version().to_owned());
                }
                match delete::delete_object(call, &name, &own).await {
                    Err(status) if insists && status.reason == "Conflict" => {}
                    Err(status) => return Err(status),
                    Ok(_) => return Ok(success(call)),
                }
            }
            Decision::Charge(budget) => {
                if !options.dry_run && !charge(call, &budget).await? {
                    continue;
                }
                delete::delete_object(call, &name, &options).await?;
                return Ok(success(call));
            }
        }
    }
    Err(too_many(RETRY_AFTER_SECONDS, "The pod and its disruption budget change too often to be looked at."))
}

/// The budgets that select a pod.
fn budgets_of(call: &Call<'_>, pod: &Value) -> Vec<Arc<Value>> {
    use crate::reader::ObjectReader;
    let mut budgets = call.api.cache.list("policy", "poddisruptionbudgets", Some(pod.namespace()));
    budgets.retain(|budget| {
        let selector = LabelSelector::from_object(budget["spec"].get("selector"));
        selector.is_ok_and(|selector| selector.matches(pod.labels()))
    });
    budgets
}

/// Writes a budget; false: it has changed meanwhile.
async fn charge(call: &Call<'_>, budget: &Value) -> Result<bool, Status> {
    let row = call.api.rows.stored("policy", "poddisruptionbudgets");
    let row = row.ok_or_else(|| Status::internal("there are no disruption budgets"))?;
    let revision = budget.resource_version().parse().map_err(Status::internal)?;
    let key = crate::cache::key(budget.namespace(), budget.name());
    match call.api.storage.put(&row, &key, budget, Expect::At(Revision(revision))).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(error) => Err(storage_error(&error)),
    }
}

fn decide(pod: &Value, budgets: &[Arc<Value>], now: &str) -> Decision {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    if pod.is_deleting() || matches!(phase, "Succeeded" | "Failed") {
        return Decision::Delete { as_seen: false };
    }
    if phase == "Pending" {
        return Decision::Delete { as_seen: true };
    }
    let budget = match budgets {
        [] => return Decision::Delete { as_seen: false },
        [budget] => budget,
        _ => {
            let message =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Decision::Refuse(Status::unreasoned(message));
        }
    };
    if !is_ready(pod) && lets_unhealthy_go(budget) {
        return Decision::Delete { as_seen: true };
    }
    match charged(budget, pod.name(), now) {
        Ok(budget) => Decision::Charge(budget),
        Err(status) => Decision::Refuse(status),
    }
}

fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    object["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == kind)
}

fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

fn count(budget: &Value, field: &str) -> i64 {
    budget["status"][field].as_i64().unwrap_or(0)
}

/// Whether a pod that is not healthy may go without a charge: always, or while enough others are healthy (KEP-3017).
fn lets_unhealthy_go(budget: &Value) -> bool {
    let desired = count(budget, "desiredHealthy");
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        || (count(budget, "currentHealthy") >= desired && desired > 0)
}

/// `checkAndDecrement`: the budget after one more disruption.
fn charged(budget: &Value, pod: &str, now: &str) -> Result<Value, Status> {
    let name = budget.name();
    let generation = budget.metadata().get("generation").and_then(Value::as_i64).unwrap_or(0);
    if count(budget, "observedGeneration") < generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(too_many(RETRY_AFTER_SECONDS, &why));
    }
    let forbidden =
        |why: &str| Status::forbidden(&Subject { group: "policy", resource: "poddisruptionbudget", name }, why);
    let allowed = count(budget, "disruptionsAllowed");
    if allowed < 0 {
        return Err(forbidden("pdb disruptions allowed is negative"));
    }
    if budget["status"]["disruptedPods"].as_object().is_some_and(|pods| pods.len() > MAX_DISRUPTED_PODS) {
        return Err(forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
    }
    if allowed == 0 {
        return Err(too_many(0, &exhausted(budget)));
    }
    let mut budget = budget.clone();
    let status = child_mut(&mut budget, "status");
    status.insert("disruptionsAllowed".to_owned(), (allowed - 1).into());
    let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
    disrupted[pod] = now.into();
    if allowed == 1 {
        refuse_more(status, now);
    }
    Ok(budget)
}

/// The condition that says that nothing more may be disrupted: there from now on, whatever was said before.
fn refuse_more(status: &mut serde_json::Map<String, Value>, now: &str) {
    let observed = status.get("observedGeneration").cloned();
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    let before = conditions.iter().position(|one| one["type"] == "DisruptionAllowed");
    let since = before.map(|at| &conditions[at]).filter(|one| one["status"] == "False");
    let since = since.map_or_else(|| now.into(), |one| one["lastTransitionTime"].clone());
    let mut condition = json!({"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods",
        "message": "", "lastTransitionTime": since});
    if let Some(observed) = observed {
        condition["observedGeneration"] = observed;
    }
    match before {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

/// Why a budget allows nothing.
fn exhausted(budget: &Value) -> String {
    let name = budget.name();
    let (current, desired) = (count(budget, "currentHealthy"), count(budget, "desiredHealthy"));
    let failed = condition(budget, "DisruptionAllowed").filter(|one| one["reason"] == "SyncFailed");
    match failed {
        _ if current <= desired => {
            format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently")
        }
        Some(failed) => {
            let why = failed["message"].as_str().unwrap_or_default();
            format!("The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}")
        }
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    }
}

fn too_many(retry_after_seconds: u32, why: &str) -> Status {
    let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
    if retry_after_seconds > 0 {
        details["retryAfterSeconds"] = retry_after_seconds.into();
    }
    Status { details, ..Status::plain(429, "TooManyRequests", REFUSED) }
}

#[cfg(test)]
mod tests;
