//! How admission is asked about a write: in which order who of it, and what it is told.

use crate::call::Call;
use crate::chain::{Attributes, Operation};
use crate::dynamic;
use crate::server::Api;
use api::meta::ObjectMeta;
use api::status::Status;
use serde_json::Value;
use std::sync::Arc;

/// What is asked of admission: before validation of the object it may change it, afterwards only refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// May change the object.
    Mutating,
    /// May only refuse.
    Validating,
    /// One after the other: of what has no validation in between.
    Both,
}

/// What is going to happen.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// To the object.
    pub operation: Operation,
    /// Or to a part of it.
    pub subresource: &'a str,
    /// As it is stored.
    pub old: &'a Value,
    /// Who is asked.
    pub phase: Phase,
}

impl Question<'_> {
    /// About a new object.
    pub fn create(phase: Phase) -> Self {
        Self { operation: Operation::Create, subresource: "", old: &Value::Null, phase }
    }
}

/// The name by which admission knows an object: its own, or that of the path.
pub fn named(call: &Call<'_>, object: &Value) -> String {
    let name = object.name();
    if name.is_empty() { call.info.name.clone() } else { name.to_owned() }
}

/// Asks admission about an object, and gives it back as admission left it.
pub async fn admit(call: &mut Call<'_>, name: &str, question: Question<'_>, object: Value) -> Result<Value, Status> {
    let row = call.row.clone();
    let mut attributes = Attributes {
        operation: question.operation,
        request: call.info,
        resource: &row,
        subresource: question.subresource,
        user: call.user,
        name: name.to_owned(),
        namespace: call.info.namespace_for(&row),
        object,
        old: question.old,
        options: Value::Null,
        dry_run: call.dry_run(),
        warnings: Vec::new(),
    };
    let outcome = ask(call.api, &mut attributes, question.phase).await;
    let Attributes { object, warnings, .. } = attributes;
    call.warnings.extend(warnings);
    outcome.map(|()| object)
}

/// The built-in plugins, then policies and webhooks. When those changed the object the plugins see it once more, and so do
/// those of them who want to.
async fn ask(api: &Arc<Api>, attributes: &mut Attributes<'_>, phase: Phase) -> Result<(), Status> {
    let admission = &api.chain.admission;
    if phase != Phase::Validating {
        admission.admit(attributes)?;
        if let Some(last) = dynamic::admit(api, attributes).await? {
            admission.admit(attributes)?;
            dynamic::reinvoke(api, attributes, last).await?;
        }
        admission.guard(attributes)?;
    }
    if phase != Phase::Mutating {
        admission.validate(attributes)?;
        dynamic::validate(api, attributes).await?;
    }
    Ok(())
}
