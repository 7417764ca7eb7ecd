//! Server-side apply itself.

use super::conflict::{ApplyError, Conflict, with_manager};
use super::fields_of::fields_of;
use super::managed::{self, Entry, Operation};
use super::merge::merge;
use super::reconcile::reconcile;
use super::typed::{Shape, Typed, zero_value};
use super::validate::validate;
use super::versions::{ByVersion, prune_in_versions};
use super::{Writer, last_applied, track};
use crate::meta::{ObjectMeta, metadata_mut};
use crate::schema::Schema;
use serde_json::Value;

/// Who owned an object before anyone applied to it, when it was not tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// An apply besides its [`Writer`].
#[derive(Clone, Copy, Debug)]
pub struct ApplyRequest<'a> {
    /// The configuration as decoded from JSON or YAML, unknown fields and all.
    pub config: &'a Value,
    /// The kind that the endpoint serves.
    pub kind: &'a str,
    /// Whether to take over fields that others own.
    pub force: bool,
}

/// Applies a configuration to `live` (`None`: create). The result is the merged object with its `managedFields`,
/// still to be conformed, defaulted and validated; parts that lost all their content are `null`. When it equals `live`
/// nothing was changed.
///
/// # Errors
/// [`ApplyError`]; nothing else can go wrong.
pub fn apply(live: Option<&Value>, request: ApplyRequest<'_>, writer: &Writer<'_>) -> Result<Value, ApplyError> {
    check_config(&request, writer)?;
    let typed = Typed::root(writer.schema);
    if let Some(errors) = validate(typed, request.config) {
        return Err(ApplyError::Typed { object: describe(&request, writer), errors });
    }
    let zero = zero_value(writer.schema);
    let entries = match live {
        Some(live) => starting_entries(live, &zero, writer)?,
        None => Vec::new(),
    };
    let old = live.unwrap_or(&zero);
    let mut outcome = attempt(old, entries.clone(), &request, writer);
    if writer.manager == last_applied::KUBECTL
        && let Err(ApplyError::Conflicts(conflicts)) = &outcome
        && let Some(allowed) = last_applied::still_as_applied(writer, old)
    {
        let left: Vec<Conflict> = conflicts.iter().filter(|conflict| !allowed.has(&conflict.path)).cloned().collect();
        outcome = if left.is_empty() {
            attempt(old, entries.clone(), &ApplyRequest { force: true, ..request }, writer)
        } else {
            Err(ApplyError::Conflicts(left))
        };
    }
    let (mut object, mut after) = outcome?;
    // The applier's entry keeps its time (a new one has none) when only ownership changed.
    if !same_object(old, &object) {
        stamp(&mut after, writer);
    }
    if writer.manager == last_applied::KUBECTL {
        last_applied::sync(&mut object, request.config);
    }
    managed::put(&mut object, after, Vec::new());
    Ok(object)
}

/// Lays a configuration over an object without ownership, as a MutatingAdmissionPolicy's `applyConfiguration` does.
///
/// # Errors
/// For what its type does not have, and for lists and maps that are one value: a policy may not replace them.
pub fn merge_configuration(schema: &Schema, live: &Value, config: &Value) -> Result<Value, String> {
    let typed = Typed::root(schema);
    if let Some(errors) = validate(typed, config) {
        return Err(errors);
    }
    let mut atomic = Vec::new();
    find_atomic(typed, config, "", &mut atomic);
    if !atomic.is_empty() {
        let paths = atomic.join(", ");
        return Err(format!("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {paths}"));
    }
    Ok(merge(typed, live, config))
}

/// The paths of lists and maps in `value` that are merged as a whole.
fn find_atomic(typed: Typed<'_>, value: &Value, path: &str, found: &mut Vec<String>) {
    match (typed.shape(value), value) {
        (Shape::Leaf, Value::Array(_) | Value::Object(_)) => found.push(path.to_owned()),
        (Shape::Map, Value::Object(map)) => map.iter().for_each(|(key, value)| {
            find_atomic(typed.child_or_untyped(key).0, value, &format!("{path}.{key}"), found);
        }),
        (Shape::List(items, _), Value::Array(list)) => {
            list.iter().for_each(|item| find_atomic(items, item, &format!("{path}[]"), found));
        }
        _ => {}
    }
}

fn check_config(request: &ApplyRequest<'_>, writer: &Writer<'_>) -> Result<(), ApplyError> {
    let text = |key: &str| request.config.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version != writer.api_version || kind != request.kind {
        return Err(ApplyError::BadRequest(format!("invalid object type: {}, Kind={kind}", go_version(api_version))));
    }
    if request.config.metadata().get("managedFields").is_some_and(|sent| !sent.is_null()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    Ok(())
}

/// A group and version as Go prints them: `/v1` for core.
fn go_version(api_version: &str) -> String {
    if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") }
}

fn describe(request: &ApplyRequest<'_>, writer: &Writer<'_>) -> String {
    let (namespace, name) = (request.config.namespace(), request.config.name());
    format!("{namespace}/{name}; {}, Kind={}", go_version(writer.api_version), request.kind)
}

/// The entries of the live object. One that is not tracked is all owned by [`BEFORE_FIRST_APPLY`].
fn starting_entries(live: &Value, zero: &Value, writer: &Writer<'_>) -> Result<Vec<Entry>, ApplyError> {
    let entries = managed::of_object(live).map_err(|error| ApplyError::ManagedFields(error.to_string()))?;
    if entries.is_empty() {
        return Ok(track::track(zero, live, entries, &Writer { manager: BEFORE_FIRST_APPLY, ..*writer }));
    }
    Ok(reconcile(entries, writer))
}

/// Merge, prune and settle ownership: upstream's `Updater.Apply`. The entries come without new times.
fn attempt(
    old: &Value,
    mut entries: Vec<Entry>,
    request: &ApplyRequest<'_>,
    writer: &Writer<'_>,
) -> Result<(Value, Vec<Entry>), ApplyError> {
    let typed = Typed::root(writer.schema);
    let mut mine = Entry {
        manager: writer.manager.to_owned(),
        operation: Operation::Apply,
        api_version: writer.api_version.to_owned(),
        subresource: writer.subresource.to_owned(),
        time: String::new(),
        set: writer.reset.filter(fields_of(typed, request.config)),
    };
    let at = entries.iter().position(|entry| entry.same_manager(&mine));
    let last = at.map(|at| entries.swap_remove(at));
    let mut object = merge(typed, old, request.config);
    if let Some(last) = last.as_ref().filter(|last| !last.set.is_empty()) {
        object = prune_in_versions(writer, object, last, &entries, &mine);
    }
    let mut changes = ByVersion::new(writer, old, &object, track::changes(writer, old, &object).into());
    let conflicts = conflicts(&entries, &mut changes);
    if !request.force && !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }
    track::take_away(&mut entries, &mut changes);
    mine.set = track::strip(mine.set);
    mine.time = last.map(|last| last.time).unwrap_or_default();
    entries.push(mine);
    entries.retain(|entry| !entry.set.is_empty());
    Ok((object, entries))
}

/// All fields that changed and that others own, sorted by manager.
fn conflicts(entries: &[Entry], changes: &mut ByVersion<'_>) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for entry in entries {
        let Some(changes) = changes.of(entry) else { continue };
        let set = entry.set.intersection(&changes.changed);
        if !set.is_empty() {
            conflicts.push((&entry.manager, entry.operation, &entry.api_version, with_manager(entry, &set)));
        }
    }
    conflicts.sort_by_key(|(manager, operation, api_version, _)| (*manager, *operation, *api_version));
    conflicts.into_iter().flat_map(|(.., conflicts)| conflicts).collect()
}

/// Sets the time of the applier's entry.
fn stamp(entries: &mut [Entry], writer: &Writer<'_>) {
    for entry in entries {
        let mine = entry.operation == Operation::Apply && entry.manager == writer.manager;
        if mine && entry.subresource == writer.subresource {
            entry.time = writer.now.to_owned();
        }
    }
}

/// Whether two objects are the same but for `managedFields`.
fn same_object(old: &Value, new: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        metadata_mut(&mut object).remove("managedFields");
        object
    };
    bare(old) == bare(new)
}
