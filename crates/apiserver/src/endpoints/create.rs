//! `POST` of a new object, and the creation that a `PUT` or an apply may amount to.

use super::asked::{Phase, Question, admit, named};
use super::fit::{self, Write};
use super::ownership::track;
use super::{options, page, param_permission, view};
use crate::answer::{self, Answer};
use crate::cache::Entry;
use crate::call::Call;
use crate::chain::Decision;
use crate::conversion;
use crate::decode::{self, Wanted};
use crate::metadata;
use crate::owner_references::{self, Moment};
use crate::quota;
use crate::raw_text;
use crate::request::RequestInfo;
use crate::services::Allocation;
use api::meta::{ObjectMeta, metadata_mut};
use api::status::Status;
use registry::Scope;
use serde_json::Value;
use std::sync::Arc;
use store::{CommitError, Expect};
use tracing::Instrument;

/// Tries of a generated name that turns out to be taken; upstream's `maxNameGenerationCreateAttempts`.
const MAX_NAME_ATTEMPTS: usize = 8;

/// What came of a write.
pub enum Written {
    /// It is stored.
    Entry(Arc<Entry>),
    /// A dry run: the object (served form) as it would be.
    Dry(Value),
}

impl Written {
    /// The answer.
    ///
    /// # Errors
    /// 406.
    pub async fn answer(self, call: &Call<'_>, code: u16) -> Result<Answer, Status> {
        match self {
            Self::Entry(entry) => view::one(call, code, &entry).await,
            Self::Dry(object) => view::one_value(call, code, object),
        }
    }
}

/// The type that the path takes.
pub fn wanted(row: &registry::Resource) -> Wanted<'_> {
    Wanted { group: &row.group, version: &row.version, kind: &row.kind }
}

/// An object as storing leaves it; once its fields have their owners.
pub fn forget_empty(row: &registry::Resource, object: &mut Value) -> Result<(), Status> {
    api::codec::forget_empty(object, decode::schema_of(row)?);
    Ok(())
}

/// Schema defaults, then the kind's own.
pub fn apply_defaults(row: &registry::Resource, object: &mut Value) -> Result<(), Status> {
    api::codec::apply_defaults(object, decode::schema_of(row)?);
    row.strategy.default(object);
    Ok(())
}

/// `POST`.
pub async fn create(call: &mut Call<'_>) -> Result<Answer, Status> {
    options::check_write(call, "CreateOptions", false)?;
    let row = call.row.clone();
    let mut object = decode::object(call, wanted(&row), decode::schema_of(&row)?)?;
    if !row.verbs.contains(&"get") {
        check_namespace(call, &mut object)?;
        if &*row.plural == "bindings" {
            let name = object.name().to_owned();
            return super::subresource::bind_pod(call, &name, object).await;
        }
        apply_defaults(&row, &mut object)?;
        track(call, None, &mut object, "")?;
        return review(call, object, "").await;
    }
    // What the server sets is nobody's, whatever the client sent.
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        metadata_mut(&mut object).remove(field);
    }
    if !object.resource_version().is_empty() {
        return Err(Status::plain(500, "", "resourceVersion should not be set on objects to be created"));
    }
    call.warnings.extend(owner_references::dedup(&mut object, Moment::Sent));
    apply_defaults(&row, &mut object)?;
    track(call, None, &mut object, "")?;
    forget_empty(&row, &mut object)?;
    new_object(call, object).await?.answer(call, 201).await
}

/// Questions are answered, not stored.
pub async fn review(call: &mut Call<'_>, object: Value, subresource: &str) -> Result<Answer, Status> {
    let name = named(call, &object);
    let object = admit(call, &name, Question { subresource, ..Question::create(Phase::Both) }, object).await?;
    let answered = call.api.chain.reviews.review(call.user, call.info, &call.row, &object);
    let value = answered.unwrap_or_else(|| Err(answer::no_such_resource()))?;
    Ok(answer::object(201, call.accept.media, &value))
}

/// The namespace of the path must be that of the object; where the object has none it gets it.
pub fn check_namespace(call: &Call<'_>, object: &mut Value) -> Result<(), Status> {
    let wanted = call.info.namespace_for(&call.row);
    let given = object.namespace();
    if call.row.scope == Scope::Cluster {
        metadata_mut(object).remove("namespace");
        return Ok(());
    }
    if given.is_empty() {
        metadata_mut(object).insert("namespace".to_owned(), wanted.into());
    } else if given != wanted {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(message));
    }
    Ok(())
}

/// From a decoded, defaulted and tracked object to a stored one. What may change it sees it once, before it has a uid, a
/// time and the name that is generated.
pub async fn new_object(call: &mut Call<'_>, mut object: Value) -> Result<Written, Status> {
    check_namespace(call, &mut object)?;
    let given = object.name().to_owned();
    if call.row.custom.as_ref().is_some_and(|custom| custom.terminating) {
        let why = "create not allowed while custom resource definition is terminating";
        return Err(Status::forbidden(&call.subject(&given), why));
    }
    let mut object = admit(call, &given, Question::create(Phase::Mutating), object).await?;
    call.warnings.extend(owner_references::dedup(&mut object, Moment::Admitted));
    let generates = object.name().is_empty() && !object.meta_str("generateName").is_empty();
    if !generates {
        return attempt_create(call, &given, object).await;
    }
    let mut attempt = 1;
    loop {
        match attempt_create(call, &given, object.clone()).await {
            Err(status) if status.reason == "AlreadyExists" && attempt < MAX_NAME_ATTEMPTS => attempt += 1,
            other => return other,
        }
    }
}

/// `given` is the name that the client gave: later admission knows the object by it.
async fn attempt_create(call: &mut Call<'_>, given: &str, mut object: Value) -> Result<Written, Status> {
    let row = call.row.clone();
    let now = call.now();
    metadata::fill_system_fields(&mut object, &now);
    let prefix = object.meta_str("generateName").to_owned();
    if object.name().is_empty() && !prefix.is_empty() {
        metadata_mut(&mut object).insert("name".to_owned(), metadata::generate_name(&prefix).into());
    }
    apply_defaults(&row, &mut object)?;
    if row.has_generation {
        metadata_mut(&mut object).insert("generation".to_owned(), 1.into());
    }
    row.strategy.prepare_for_create(&mut object);
    row.strategy.stamp(&mut object, None, &registry::Occasion { now: &now, user: call.user.as_requestor() });
    let allocation = call.api.services.allocate(call, &mut object, None).await?;
    let mut errors = metadata::validate(&object, &row);
    errors.extend(metadata::validate_finalizers(&object, &row));
    errors.extend(row.strategy.validate(&object));
    if errors.is_empty() {
        errors.extend(param_permission::check(call, &object, &Value::Null));
    }
    let name = object.name().to_owned();
    if !errors.is_empty() {
        return Err(Status::invalid(&call.kind_subject(&name), &errors));
    }
    call.warnings.extend(row.strategy.warnings(&object, None));
    check_may_create(call, &name)?;
    let object = admit(call, given, Question::create(Phase::Validating), object).await?;
    let charge = quota::charge(call, "", &object, &Value::Null).await?;
    let mut object = object;
    row.strategy.read_back(&mut object);
    let written = store_new(call, &name, object).await;
    match written {
        Ok(_) => allocation.into_iter().for_each(Allocation::keep),
        Err(_) => quota::refund(call, charge).await,
    }
    written
}

/// Who makes an object by an update or an apply must be allowed to create it: the request was authorized as what it is.
fn check_may_create(call: &Call<'_>, name: &str) -> Result<(), Status> {
    if call.info.verb == "create" {
        return Ok(());
    }
    let info = RequestInfo { verb: "create".to_owned(), name: name.to_owned(), ..call.info.clone() };
    match call.api.chain.authorizer.authorize(call.user, &info) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(why) | Decision::NoOpinion(why) => Err(crate::authz::forbidden(call.user, &info, &why)),
    }
}

/// Writes what has passed every check, unless it is a dry run.
async fn store_new(call: &Call<'_>, name: &str, object: Value) -> Result<Written, Status> {
    if page::shelf(call).get(&call.key(name)).is_some_and(|entry| call.dry_run() || entry.revision > 0) {
        return Err(exists(call, name));
    }
    if call.dry_run() {
        return Ok(Written::Dry(object));
    }
    let row = &call.row;
    let stored = conversion::to_stored(call.api, row, object).await?;
    let step = tracing::trace_span!(target: "pintle::trace", "apiserver: commit", pod = %call.key(name));
    let (key, text) = (call.key(name), raw_text::sent(call));
    let (text, expect) = (text.as_deref(), Expect::Absent);
    let written = if call.body.len() <= fit::SMALL_BODY_BYTES {
        call.api.storage.put_last(row, &key, stored, text, expect).instrument(step).await
    } else {
        let write = Write { key: &key, object: &stored, text, expect };
        fit::put(call, row, write, call.info.verb == "patch").instrument(step).await
    };
    match written {
        Ok(entry) => Ok(Written::Entry(entry)),
        Err(CommitError::Conflict { .. }) => Err(exists(call, name)),
        Err(error) => Err(storage_error(&error)),
    }
}

fn exists(call: &Call<'_>, name: &str) -> Status {
    let mut status = Status::already_exists(&call.subject(name));
    let deleting = page::shelf(call).get(&call.key(name)).is_some_and(|entry| entry.value().is_deleting());
    if deleting {
        status.message = format!("object is being deleted: {}", status.message);
    }
    status
}

/// What a client sees when the store fails.
pub fn storage_error(error: &CommitError) -> Status {
    tracing::error!(%error, "a write failed");
    match error {
        CommitError::Closed => shutting_down(),
        CommitError::Refused { message } => Status::unreasoned(message.as_str()),
        CommitError::Timeout => timed_out(),
        CommitError::Io(cause) => Status::internal(format!("the database cannot write: {cause}")),
        CommitError::Conflict { .. } => Status::internal(error),
    }
}

/// What a client sees when the store does not say how things stand.
pub fn read_error(error: &store::ReadError) -> Status {
    tracing::error!(%error, "the store could not be asked");
    match error {
        store::ReadError::Closed => shutting_down(),
        store::ReadError::Timeout => timed_out(),
        store::ReadError::Io(cause) => Status::unreasoned(cause.to_string()),
    }
}

fn shutting_down() -> Status {
    Status::plain(503, "ServiceUnavailable", "the server is shutting down")
}

fn timed_out() -> Status {
    Status::timeout("request did not complete within requested timeout - context deadline exceeded", 0)
}
