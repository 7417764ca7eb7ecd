//! Admission by configuration: policies whose expressions are evaluated here, and webhooks that are asked over HTTPS. It
//! comes after the built-in plugins of its phase.
//!
//! The configuration is compiled once and again when one of its objects changes. What not: the built-in plugins
//! (`admission`), validation of the configuration's objects (the registry's), and audit logs, which there are none of.

mod authorizer;
mod configuration;
mod evaluation;
mod matching;
mod mutating;
mod params;
mod review;
mod validating;
mod webhook;

use crate::cache::{Cache, Shelf};
use crate::chain::Attributes;
use crate::server::Api;
use api::status::Status;
use configuration::Configuration;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

const GROUP: &str = "admissionregistration.k8s.io";
const PLURALS: [&str; 6] = [
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
];

type Generations = [u64; PLURALS.len()];

/// Policies and webhooks, as they are now.
#[derive(Debug)]
pub struct Dynamic {
    shelves: [Arc<Shelf>; PLURALS.len()],
    compiled: Mutex<(Generations, Arc<Configuration>)>,
}

impl Dynamic {
    /// What the cache holds.
    pub fn new(cache: &Cache) -> Self {
        let shelves = PLURALS.map(|plural| cache.shelf(GROUP, plural));
        // No shelf has this generation, so that the first look compiles.
        let compiled = Mutex::new(([u64::MAX; PLURALS.len()], Arc::default()));
        Self { shelves, compiled }
    }

    fn configuration(&self, api: &Api) -> Arc<Configuration> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let now = std::array::from_fn(|at| self.shelves[at].generation().now());
        if compiled.0 != now {
            // Read after the generations: what changes meanwhile is compiled again next time.
            let objects = |at: usize| -> Vec<Value> {
                let snapshot = api.cache.snapshot(&self.shelves[at]);
                snapshot.range(None, None).map(|entry| entry.value()).collect()
            };
            *compiled = (now, Arc::new(Configuration::compile(std::array::from_fn(objects), &compiled.1)));
        }
        compiled.1.clone()
    }
}

/// Whether anyone may be asked about a request: what configures admission is exempt, so that it can be mended.
fn concerns(attributes: &Attributes<'_>) -> bool {
    !(&*attributes.resource.group == GROUP && PLURALS.contains(&&*attributes.resource.plural))
}

/// Mutating policies, then mutating webhooks. Whether the object was changed: then the built-in plugins want to see it
/// again, and after them [`reinvoke`].
///
/// # Errors
/// What refused it.
pub async fn admit(api: &Arc<Api>, attributes: &mut Attributes<'_>) -> Result<Option<Reinvocation>, Status> {
    let configuration = api.dynamic.configuration(api);
    if configuration.mutating.is_empty() && configuration.mutating_webhooks.is_empty() || !concerns(attributes) {
        return Ok(None);
    }
    let managed_fields = attributes.object["metadata"]["managedFields"].clone();
    let mut seen = Reinvocation { configuration, seen: Vec::new(), managed_fields };
    // Boxed: every write holds room for the state of this, and in most clusters none comes here.
    let changed = Box::pin(pass(api, attributes, &mut seen, true)).await?;
    Ok(changed.then_some(seen))
}

/// What was asked in the first round, and the object as it was left.
pub struct Reinvocation {
    configuration: Arc<Configuration>,
    seen: Vec<(String, Value)>,
    /// As they were before anybody was asked.
    managed_fields: Value,
}

/// Asks those again who want to be asked again, if the object has changed since.
///
/// # Errors
/// What refused it.
pub async fn reinvoke(api: &Arc<Api>, attributes: &mut Attributes<'_>, mut last: Reinvocation) -> Result<(), Status> {
    Box::pin(pass(api, attributes, &mut last, false)).await?;
    mend_managed_fields(attributes, last.managed_fields);
    Ok(())
}

/// Puts back `managedFields` that admission has left in a state in which nobody can read them.
fn mend_managed_fields(attributes: &mut Attributes<'_>, before: Value) {
    let Some(defect) = api::apply::managed_fields_defect(&attributes.object) else { return };
    attributes.object["metadata"]["managedFields"] = before;
    attributes.warnings.push(format!(
        ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating \
         admission controller; please fix your requests: {defect}"
    ));
}

async fn pass(
    api: &Arc<Api>,
    attributes: &mut Attributes<'_>,
    state: &mut Reinvocation,
    is_first: bool,
) -> Result<bool, Status> {
    let configuration = state.configuration.clone();
    let mut changed = false;
    for policy in &configuration.mutating {
        if !is_first && !state.wants_again(&policy.key(), policy.policy.reinvokes, &attributes.object) {
            continue;
        }
        if let Some(object) = mutating::apply(api, policy, attributes).await? {
            changed |= object != attributes.object;
            attributes.object = object;
            state.seen.push((policy.key(), attributes.object.clone()));
        }
    }
    for hook in &configuration.mutating_webhooks {
        if !is_first && !state.wants_again(&hook.key, hook.reinvokes, &attributes.object) {
            continue;
        }
        if let Some(object) = webhook::mutate(api, hook, attributes).await? {
            changed |= object != attributes.object;
            attributes.object = object;
            state.seen.push((hook.key.clone(), attributes.object.clone()));
        }
    }
    Ok(changed)
}

impl Reinvocation {
    fn wants_again(&self, key: &str, reinvokes: bool, object: &Value) -> bool {
        reinvokes && self.seen.iter().rev().find(|(own, _)| own == key).is_some_and(|(_, left)| left != object)
    }
}

/// Validating policies, then validating webhooks.
///
/// # Errors
/// What refused it.
pub async fn validate(api: &Arc<Api>, attributes: &mut Attributes<'_>) -> Result<(), Status> {
    let configuration = api.dynamic.configuration(api);
    if configuration.validating.is_empty() && configuration.validating_webhooks.is_empty() || !concerns(attributes) {
        return Ok(());
    }
    Box::pin(validating::check(api, &configuration.validating, attributes)).await?;
    Box::pin(webhook::validate(api, &configuration.validating_webhooks, attributes)).await
}
