//! Webhooks (`k8s.io/apiserver/pkg/admission/plugin/webhook`): mutating ones one after the other, validating ones all at
//! once. What an answer means stands in `answer`, how it is got in `webhook_client`.

mod answer;

use super::configuration::Webhook;
use super::evaluation::{self, Verdict};
use super::matching::Version;
use super::{mutating, review};
use crate::admission::forbidden;
use crate::chain::Attributes;
use crate::server::Api;
use answer::{Answer, Rejection};
use api::status::Status;
use futures::future::join_all;
use serde_json::Value;
use std::sync::Arc;

/// Why a webhook's answer does not let the request through.
enum Failure {
    /// It could not be asked, or did not answer well: the failure policy decides.
    Call(String),
    /// It refuses, or something is wrong for which no policy helps.
    Status(Status),
}

/// Whether the webhook is to be asked; in which version.
async fn concerns(api: &Arc<Api>, hook: &Webhook, attributes: &Attributes<'_>) -> Result<Option<Version>, Status> {
    let Some(version) = hook.matcher.matches(api, attributes) else { return Ok(None) };
    if hook.conditions.is_empty() {
        return Ok(Some(version));
    }
    let objects = version.both(api, attributes).await?;
    match evaluation::conditions(&hook.conditions, &evaluation::variables(api, attributes, &version, &objects)) {
        Verdict::Matches => Ok(Some(version)),
        Verdict::Differs => Ok(None),
        Verdict::Failed(error) if hook.fails => Err(forbidden(attributes, &error)),
        Verdict::Failed(_) => Ok(None),
    }
}

async fn ask(
    api: &Arc<Api>,
    hook: &Webhook,
    attributes: &Attributes<'_>,
    version: &Version,
) -> Result<Answer, Failure> {
    if attributes.dry_run && hook.has_side_effects {
        let words = format!("admission webhook {:?} does not support dry run", hook.name);
        return Err(Failure::Status(Status::bad_request(words)));
    }
    let uid = crate::metadata::uuid();
    let objects = version.both(api, attributes).await.map_err(Failure::Status)?;
    let body = review::review(attributes, version, objects, hook.review_version, &uid);
    let body = serde_json::to_vec(&body).map_err(|error| Failure::Call(error.to_string()))?;
    let query = format!("?timeout={}s", hook.timeout_seconds);
    let answered = api.webhooks.post(api, &hook.client, &query, hook.timeout_seconds, body).await;
    let bytes = answered.map_err(|error| Failure::Call(format!("failed to call webhook: {error}")))?;
    Answer::read(&bytes, hook.review_version, &uid).map_err(|error| Failure::Call(error.to_string()))
}

/// What comes of an answer: warnings go on, a refusal is told in the webhook's name.
fn settle(
    hook: &Webhook,
    asked: Result<Answer, Failure>,
    warnings: &mut Vec<String>,
) -> Result<Option<Answer>, Status> {
    match asked {
        Ok(answer) => {
            warnings.extend(answer.warnings.iter().cloned());
            match &answer.rejection {
                Some(rejection) => Err(denied(&hook.name, rejection)),
                None => Ok(Some(answer)),
            }
        }
        Err(Failure::Call(why)) if hook.fails => {
            Err(Status::internal(format!("failed calling webhook {:?}: {why}", hook.name)))
        }
        Err(Failure::Call(why)) => {
            tracing::warn!(webhook = hook.name, %why, "a webhook could not be asked and is ignored");
            Ok(None)
        }
        Err(Failure::Status(status)) => Err(status),
    }
}

/// `ToStatusErr`
fn denied(name: &str, rejection: &Rejection) -> Status {
    let by = format!("admission webhook {name:?} denied the request");
    let message = match (rejection.message.as_str(), rejection.reason.as_str()) {
        ("", "") => format!("{by} without explanation"),
        ("", reason) => format!("{by}: {reason}"),
        (message, _) => format!("{by}: {message}"),
    };
    let status = Status::plain(rejection.code.max(400), rejection.known_reason(), message);
    Status { details: rejection.details.clone(), ..status }
}

/// The object as a webhook wants it; `None`: it is not about this request.
pub(super) async fn mutate(
    api: &Arc<Api>,
    hook: &Webhook,
    attributes: &mut Attributes<'_>,
) -> Result<Option<Value>, Status> {
    let Some(version) = concerns(api, hook, attributes).await? else { return Ok(None) };
    let asked = ask(api, hook, attributes, &version).await;
    let answer = settle(hook, asked, &mut attributes.warnings)?;
    let Some(patch) = answer.and_then(|answer| answer.patch) else { return Ok(Some(attributes.object.clone())) };
    if attributes.object.is_null() {
        let words = format!(
            "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
            hook.name
        );
        return Err(Status::internal(words));
    }
    let own = attributes.resource;
    let object = version.of(api, &attributes.object, own).await?.into_owned();
    let patched = api::patch::json::apply(&object, &patch).map_err(Status::internal)?;
    let row = version.row(attributes);
    let patched = if is_of_row(attributes) {
        mutating::finish(patched, &object, row).map_err(Status::internal)?
    } else {
        patched
    };
    version.back(api, patched, own).await.map(Some)
}

/// Whether the object is of the row's kind, not a Binding or the like.
fn is_of_row(attributes: &Attributes<'_>) -> bool {
    attributes.object["kind"] == *attributes.resource.kind
}

/// Asks all validating webhooks; of several that refuse the first is told.
pub(super) async fn validate(api: &Arc<Api>, hooks: &[Webhook], attributes: &mut Attributes<'_>) -> Result<(), Status> {
    let mut wanted = Vec::new();
    for hook in hooks {
        if let Some(version) = concerns(api, hook, attributes).await? {
            wanted.push((hook, version));
        }
    }
    let shared: &Attributes<'_> = attributes;
    let answers = join_all(wanted.iter().map(|(hook, version)| ask(api, hook, shared, version))).await;
    let mut refused = None;
    for ((hook, _), asked) in wanted.iter().zip(answers) {
        if let Err(status) = settle(hook, asked, &mut attributes.warnings) {
            refused.get_or_insert(status);
        }
    }
    refused.map_or(Ok(()), Err)
}
