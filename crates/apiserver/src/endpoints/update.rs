//! `PUT`, and the way of every change to an existing object: [`change`].

use super::asked::{self, Phase, Question};
use super::create::{self, Written, storage_error};
use super::fit::{self, Write};
use super::identity::{OPTIMISTIC_LOCK, check_name, check_revision, check_uid};
use super::sisters::{self, Sisters};
use super::{delete, options, ownership, page, param_permission};
use crate::answer::Answer;
use crate::cache::Entry;
use crate::call::Call;
use crate::chain::Operation;
use crate::conversion;
use crate::decode;
use crate::metadata;
use crate::owner_references::{self, Moment};
use crate::quota;
use crate::raw_text;
use api::meta::{ObjectMeta, metadata_mut};
use api::status::Status;
use registry::{Subresource, Update};
use serde_json::Value;
use std::sync::Arc;
use store::{CommitError, Expect, Revision};

/// Tries of a change that does not insist on a revision; upstream's `patch` gives up after as many.
const MAX_ATTEMPTS: usize = 5;
/// Makes a new state from the stored one.
pub type Make<'a> = dyn Fn(&Call<'_>, Option<&Value>) -> Result<Made, Status> + Sync + 'a;

/// How a change is made.
pub struct Change<'a> {
    /// The object's name.
    pub name: String,
    /// Which part of it the path names.
    pub subresource: Option<Subresource>,
    /// The new object from the stored one (both in served form; `None`: there is none), conformed but without defaults.
    pub make: &'a Make<'a>,
    /// Whether the object is created when it does not exist.
    pub creates: bool,
    /// A stale resourceVersion comes from the client, so trying again is no use. Else it is the one just read.
    pub is_put: bool,
}

/// A new state.
pub struct Made {
    /// The object.
    pub object: Value,
    /// Whether its `managedFields` are up to date: an apply's are.
    pub tracked: bool,
}

/// `PUT`.
pub async fn update(call: &mut Call<'_>) -> Result<Answer, Status> {
    put(call, None).await
}

/// `PUT` of an object or one of its parts.
pub async fn put(call: &mut Call<'_>, subresource: Option<Subresource>) -> Result<Answer, Status> {
    options::check_write(call, "UpdateOptions", false)?;
    let row = call.row.clone();
    let mut object = decode::object(call, create::wanted(&row), decode::schema_of(&row)?)?;
    check_name(call, &object)?;
    create::check_namespace(call, &mut object)?;
    call.warnings.extend(owner_references::dedup(&mut object, Moment::Sent));
    let make = |_: &Call<'_>, _: Option<&Value>| Ok(Made { object: object.clone(), tracked: false });
    let creates = row.create_on_update && subresource.is_none();
    let name = call.info.name.clone();
    let (written, created) = change(call, Change { name, subresource, make: &make, creates, is_put: true }).await?;
    written.answer(call, if created { 201 } else { 200 }).await
}

/// Changes an object; `true`: it was created.
pub async fn change(call: &mut Call<'_>, change: Change<'_>) -> Result<(Written, bool), Status> {
    let mut attempt = 1;
    loop {
        let Some(entry) = page::shelf(call).get(&call.key(&change.name)) else {
            if !change.creates {
                return Err(call.not_found(&change.name));
            }
            return create_instead(call, &change).await.map(|written| (written, true));
        };
        match attempt_change(call, &change, &entry).await {
            Err(Failure::Stale) if attempt < MAX_ATTEMPTS => attempt += 1,
            Err(Failure::Stale) => return Err(Status::conflict(&call.subject(&change.name), OPTIMISTIC_LOCK)),
            Err(Failure::Status(status)) => return Err(status),
            Ok(written) => return Ok((written, false)),
        }
    }
}

async fn create_instead(call: &mut Call<'_>, change: &Change<'_>) -> Result<Written, Status> {
    let Made { mut object, tracked } = (change.make)(call, None)?;
    if change.is_put && !object.resource_version().is_empty() && object.resource_version() != "0" {
        return Err(call.not_found(&change.name));
    }
    if !change.is_put && !object.uid().is_empty() {
        let uid = object.uid();
        let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
        return Err(Status::conflict(&call.subject(&change.name), &why));
    }
    let row = call.row.clone();
    create::apply_defaults(&row, &mut object)?;
    if !tracked {
        ownership::track(call, None, &mut object, "")?;
    }
    create::forget_empty(&row, &mut object)?;
    create::new_object(call, object).await
}

enum Failure {
    /// Someone else was faster. Another try finds out whether the client insists on a revision.
    Stale,
    Status(Status),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Takes from the stored object what the path cannot change.
fn keep_other_parts(new: &mut Value, old: &Value, subresource: Option<Subresource>, has_status: bool) {
    let Some(fields) = new.as_object_mut() else { return };
    match subresource {
        None | Some(Subresource::Finalize) => {
            let status = old.get("status");
            if has_status && fields.get("status") != status {
                match status {
                    Some(status) => drop(fields.insert("status".to_owned(), status.clone())),
                    None => drop(fields.remove("status")),
                }
            }
        }
        Some(Subresource::Status) => {
            let is_own = |name: &str| matches!(name, "status" | "metadata");
            fields.retain(|name, _| is_own(name) || old.get(name).is_some());
            for (name, value) in old.as_object().into_iter().flatten().filter(|(name, _)| !is_own(name)) {
                // Mostly the client has left the rest as it was: to see that costs less than a copy.
                if fields.get(name) != Some(value) {
                    fields.insert(name.clone(), value.clone());
                }
            }
        }
        Some(_) => {} // the strategy knows which fields a narrower part has
    }
}

/// Whether `metadata.generation` counts the change. Deployments count annotations too, which are part of a revision.
fn is_new_generation(row: &registry::Resource, new: &Value, old: &Value) -> bool {
    row.strategy.is_new_generation(new, old)
        || (&*row.plural == "deployments" && new.annotations() != old.annotations())
}

async fn attempt_change(call: &mut Call<'_>, change: &Change<'_>, entry: &Arc<Entry>) -> Result<Written, Failure> {
    let row = call.row.clone();
    let old = conversion::served_value(call.api, &row, entry).await?;
    let subresource = change.subresource.map(Subresource::name).unwrap_or_default();
    call.sisters = Sisters::of(call, &old);
    let Made { object: mut new, tracked } = loop {
        let made = (change.make)(call, Some(&old));
        if !sisters::resolve(call).await? {
            break made?;
        }
    };
    check_uid(call, change, &new, entry)?;
    let given = new.resource_version().to_owned();
    create::check_namespace(call, &mut new)?;
    metadata::keep_system_fields(&mut new, &old);
    create::apply_defaults(&row, &mut new)?;
    if !tracked {
        ownership::track_change(call, &old, &mut new, subresource).await?;
    }
    create::forget_empty(&row, &mut new)?;
    let question = Question { operation: Operation::Update, subresource, old: &old, phase: Phase::Mutating };
    let mut new = asked::admit(call, &change.name, question, new).await?;
    check_revision(call, change, &given, entry)?;
    call.warnings.extend(owner_references::dedup(&mut new, Moment::Admitted));
    create::apply_defaults(&row, &mut new)?;
    keep_other_parts(&mut new, &old, change.subresource, row.has(Subresource::Status));
    row.strategy.prepare_for_update(&mut new, &old, change.subresource);
    let occasion = registry::Occasion { now: &call.now(), user: call.user.as_requestor() };
    row.strategy.stamp(&mut new, Some(&old), &occasion);
    if row.has_generation && change.subresource != Some(Subresource::Status) && is_new_generation(&row, &new, &old) {
        let generation = old.metadata().get("generation").and_then(Value::as_i64).unwrap_or(0);
        metadata_mut(&mut new).insert("generation".to_owned(), (generation + 1).into());
    }
    let allocation = call.api.services.allocate(call, &mut new, Some(&old)).await?;
    let mut errors = metadata::validate_update(&new, &old);
    // Upstream's generic path and its strategies both look at metadata, so every error comes twice.
    errors.extend(errors.clone());
    if row.custom.is_some() {
        // and a third time where custom resources are validated, as if they were new
        errors.extend(metadata::validate(&new, &row));
    }
    errors.extend(metadata::validate_finalizers(&new, &row));
    // A patch sends no text, and so what it writes has no white space.
    let was = row.strategy.raw_field().and_then(|field| raw_text::spaced(&entry.json(), field));
    let sent = if change.is_put { raw_text::sent(call) } else { None };
    let text_changed = was != sent;
    errors.extend(row.validate_update(Update { old: &old, new: &new, subresource: change.subresource, text_changed }));
    if errors.is_empty() && change.subresource.is_none() {
        errors.extend(param_permission::check(call, &new, &old));
    }
    let (tolerated, errors): (Vec<_>, Vec<_>) = errors.into_iter().partition(|error| error.is_tolerated);
    call.warnings.extend(tolerated.iter().map(ToString::to_string));
    if !errors.is_empty() {
        return Err(Status::invalid(&call.kind_subject(&change.name), &errors).into());
    }
    if change.subresource != Some(Subresource::Status) {
        // what the spec is warned of, its writer has heard
        call.warnings.extend(row.strategy.warnings(&new, Some(&old)));
    }
    let question = Question { phase: Phase::Validating, ..question };
    let mut new = asked::admit(call, &change.name, question, new).await?;
    api::apply::retain_timestamps(&old, &mut new);
    if new == old {
        return Ok(Written::Entry(entry.clone()));
    }
    let charge = quota::charge(call, subresource, &new, &old).await?;
    if call.dry_run() {
        return Ok(Written::Dry(new));
    }
    let key = call.key(&change.name);
    if delete::is_released(&new, &old) {
        // The last finalizer is gone: the object goes, and the answer has the old revision.
        return match call.api.storage.delete(&row, &key, entry.revision).await {
            Ok(_) => {
                call.api.services.release(&row, &old, None).await;
                Ok(Written::Dry(new))
            }
            Err(CommitError::Conflict { .. }) => Err(Failure::Stale),
            Err(error) => Err(storage_error(&error).into()),
        };
    }
    let stored = conversion::to_stored(call.api, &row, new).await?;
    let expect = Expect::At(Revision(entry.revision));
    let text = sent.as_deref();
    let written = match fit::put(call, &row, Write { key: &key, object: &stored, text, expect }, tracked).await {
        Ok(entry) => Ok(Written::Entry(entry)),
        Err(CommitError::Conflict { .. }) => Err(Failure::Stale),
        Err(error) => Err(storage_error(&error).into()),
    };
    match written {
        Ok(_) => {
            allocation.into_iter().for_each(crate::services::Allocation::keep);
            call.api.services.release(&row, &old, Some(&stored)).await;
        }
        Err(_) => quota::refund(call, charge).await,
    }
    written
}
