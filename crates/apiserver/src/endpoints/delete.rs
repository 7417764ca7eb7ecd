//! `DELETE` of one object and of a collection: preconditions, grace, finalizers, propagation
//! (`k8s.io/apiserver/pkg/registry/rest/delete.go` and `generic/registry/store.go`).

use super::asked::{self, Phase, Question};
use super::create::{Written, storage_error};
pub use super::delete_options::DeleteOptions;
use super::page;
use crate::answer::{self, Answer};
use crate::cache::Entry;
use crate::call::Call;
use crate::chain::Operation;
use crate::conversion;
use crate::selection::Selection;
use api::meta::{ObjectMeta, metadata_mut};
use api::status::Status;
use registry::Resource;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{CommitError, Expect, Revision};

/// Tries of a deletion whose object changes meanwhile.
const MAX_ATTEMPTS: usize = 8;
/// Kinds whose deletion answers with the object (upstream's `ReturnDeletedObject`), all of the core group.
const RETURN_DELETED: [&str; 7] = [
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourcequotas",
    "serviceaccounts",
    "services",
];

/// What holds an object besides `metadata.finalizers`.
fn is_held(object: &Value) -> bool {
    !object.finalizers().is_empty()
        || (object["kind"] == "Namespace"
            && object["spec"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty()))
}

/// Whether a change takes away the last thing that held a deleted object.
pub fn is_released(new: &Value, old: &Value) -> bool {
    new.is_deleting()
        && is_held(old)
        && !is_held(new)
        && new.metadata().get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0) == 0
}

/// What to do with an object.
enum Plan {
    /// Nothing: it is being deleted already.
    Pending,
    /// Write this state.
    Mark(Value),
    /// Take it away.
    Remove,
    /// Write this state, then take it away: kinds with grace show that it was used up.
    MarkAndRemove(Value),
}

/// `DELETE` of one object.
pub async fn delete(call: &mut Call<'_>) -> Result<Answer, Status> {
    let options = DeleteOptions::of(call)?;
    let name = call.info.name.clone();
    if options.policy.is_none() && options.orphan_dependents.is_none() {
        call.warnings.extend(call.row.strategy.warnings_on_delete());
    }
    let (written, removed) = delete_object(call, &name, &options).await?;
    let accepted = !removed && options.orphan_dependents == Some(false);
    let code = if accepted { 202 } else { 200 };
    let returns = call.row.group.is_empty() && RETURN_DELETED.contains(&&*call.row.plural);
    if removed && !returns {
        let object = match &written {
            Written::Entry(entry) => entry.value(),
            Written::Dry(object) => object.clone(),
        };
        return Ok(answer::object(code, call.accept.media, &success(&call.row, &object)));
    }
    written.answer(call, code).await
}

fn success(row: &Resource, object: &Value) -> Value {
    let mut details = json!({"name": object.name(), "kind": &*row.plural, "uid": object.uid()});
    if !row.group.is_empty() {
        details["group"] = (&*row.group).into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Deletes an object; `true`: it is gone.
pub async fn delete_object(
    call: &mut Call<'_>,
    name: &str,
    options: &DeleteOptions,
) -> Result<(Written, bool), Status> {
    for _ in 0..MAX_ATTEMPTS {
        let entry = page::entry(call, name)?;
        if let Some(done) = attempt(call, name, options, &entry).await? {
            return Ok(done);
        }
    }
    Err(Status::conflict(&call.subject(name), super::identity::OPTIMISTIC_LOCK))
}

async fn attempt(
    call: &mut Call<'_>,
    name: &str,
    options: &DeleteOptions,
    entry: &Arc<Entry>,
) -> Result<Option<(Written, bool)>, Status> {
    let row = call.row.clone();
    let mut entry = entry.clone();
    let old = conversion::served_value(call.api, &row, &entry).await?;
    check_preconditions(call, options, &old)?;
    let question = Question { operation: Operation::Delete, subresource: "", old: &old, phase: Phase::Both };
    asked::admit(call, name, question, Value::Null).await?;
    let mut plan = plan(&row, &old, options, call.api.clock.now());
    let dry = options.dry_run;
    let key = call.key(name);
    if let Plan::MarkAndRemove(new) = plan {
        if dry {
            return Ok(Some((Written::Dry(new), true)));
        }
        let stored = conversion::to_stored(call.api, &row, new).await?;
        match call.api.storage.put(&row, &key, &stored, Expect::At(Revision(entry.revision))).await {
            Ok(marked) => entry = marked,
            Err(CommitError::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(storage_error(&error)),
        }
        plan = Plan::Remove;
    }
    match plan {
        Plan::MarkAndRemove(_) => Ok(None), // done above
        Plan::Pending => Ok(Some((Written::Entry(entry), false))),
        Plan::Mark(new) if dry => Ok(Some((Written::Dry(new), false))),
        Plan::Remove if dry => Ok(Some((Written::Entry(entry), true))),
        Plan::Mark(new) => {
            let stored = conversion::to_stored(call.api, &row, new).await?;
            let expect = Expect::At(Revision(entry.revision));
            match call.api.storage.put(&row, &key, &stored, expect).await {
                Ok(entry) => Ok(Some((Written::Entry(entry), false))),
                Err(CommitError::Conflict { .. }) => Ok(None),
                Err(error) => Err(storage_error(&error)),
            }
        }
        Plan::Remove => match call.api.storage.delete(&row, &key, entry.revision).await {
            Ok(revision) => {
                call.api.services.release(&row, &old, None).await;
                Ok(Some((Written::Entry(Arc::new(entry.at_revision(revision))), true)))
            }
            Err(CommitError::Conflict { .. }) => Ok(None),
            Err(error) => Err(storage_error(&error)),
        },
    }
}

fn check_preconditions(call: &Call<'_>, options: &DeleteOptions, old: &Value) -> Result<(), Status> {
    let why = match (&options.uid, &options.resource_version) {
        (Some(uid), _) if uid != old.uid() => format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            old.uid()
        ),
        (_, Some(revision)) if revision != old.resource_version() => format!(
            "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            old.resource_version()
        ),
        _ => return Ok(()),
    };
    Err(Status::conflict(&call.kind_subject(old.name()), &why))
}

fn plan(row: &Resource, old: &Value, options: &DeleteOptions, now: jiff::Timestamp) -> Plan {
    let mut new = old.clone();
    let mut finalizers = options.finalizers(old, row.strategy.garbage_collection());
    if !old.is_deleting() {
        set_finalizers(&mut new, &finalizers);
        row.strategy.begin_deletion(&mut new, now);
        finalizers = new.finalizers().into_iter().map(str::to_owned).collect();
    }
    let finalizers_change = !old.finalizers().into_iter().eq(finalizers.iter().map(String::as_str));
    set_finalizers(&mut new, &finalizers);
    let graceful = row.strategy.grace_period_seconds(old, options.grace_period_seconds);
    let grace = graceful.unwrap_or(0);
    if old.is_deleting() {
        let period = old.metadata().get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        let shortens = options.grace_period_seconds.is_some() && grace < period;
        if shortens && grace > 0 {
            let start = api::time::parse_seconds(old.meta_str("deletionTimestamp")).unwrap_or(now)
                - jiff::SignedDuration::from_secs(period);
            mark(&mut new, start, grace);
            return Plan::Mark(new);
        }
        if period > 0 && !shortens {
            return Plan::Pending;
        }
        if !is_held(&new) {
            if period > 0 {
                metadata_mut(&mut new).insert("deletionGracePeriodSeconds".to_owned(), 0.into());
                metadata_mut(&mut new).insert("deletionTimestamp".to_owned(), api::time::format_seconds(now).into());
                return Plan::MarkAndRemove(new);
            }
            return Plan::Remove;
        }
        if !finalizers_change && period == 0 {
            return Plan::Pending;
        }
        if period > 0 {
            mark(&mut new, now, 0);
        }
        return Plan::Mark(new);
    }
    let goes = grace == 0 && !is_held(&new);
    if goes && graceful.is_none() {
        return Plan::Remove;
    }
    mark(&mut new, now, grace);
    if let Some(generation) = old.metadata().get("generation").and_then(Value::as_i64).filter(|g| *g > 0) {
        metadata_mut(&mut new).insert("generation".to_owned(), (generation + 1).into());
    }
    if &*row.plural == "namespaces" {
        metadata_mut(&mut new).remove("deletionGracePeriodSeconds");
        api::meta::child_mut(&mut new, "status").insert("phase".to_owned(), "Terminating".into());
    }
    if goes { Plan::MarkAndRemove(new) } else { Plan::Mark(new) }
}

fn set_finalizers(object: &mut Value, finalizers: &[String]) {
    let metadata = metadata_mut(object);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), finalizers.into());
    }
}

/// The object goes `grace` seconds after `start`.
fn mark(object: &mut Value, start: jiff::Timestamp, grace: i64) {
    let at = start + jiff::SignedDuration::from_secs(grace);
    let metadata = metadata_mut(object);
    metadata.insert("deletionTimestamp".to_owned(), api::time::format_seconds(at).into());
    metadata.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
}

/// `DELETE` of a collection: every selected object, one after the other; the answer lists them.
pub async fn collection(call: &mut Call<'_>) -> Result<Answer, Status> {
    super::options::check_list_numbers(call)?;
    let selection = Selection::of(call.info, &call.row)?;
    let options = DeleteOptions::of(call)?;
    let page = page::read(call, &selection).await?;
    let mut items = Vec::new();
    for entry in &page.entries {
        let mut info = call.info.clone();
        info.namespace = entry.header.namespace().to_owned();
        info.name = entry.header.name().to_owned();
        let mut one = Call {
            info: &info,
            row: call.row.clone(),
            warnings: Vec::new(),
            body: call.body.clone(),
            sisters: None,
            ..*call
        };
        match delete_object(&mut one, entry.header.name(), &options).await {
            Ok(_) => items.push(conversion::served_value(call.api, &call.row, entry).await?),
            Err(status) if status.reason == "NotFound" => {} // someone else was faster
            Err(status) => return Err(status),
        }
    }
    super::list::in_form(call, items, page.metadata)
}
