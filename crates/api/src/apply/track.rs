//! Field tracking for everything that is not an apply: create, update, and the other patches.

use super::compare::{Comparison, compare};
use super::managed::{self, Entry, Operation};
use super::reconcile::{may_have_changed, reconcile};
use super::typed::{Typed, zero_value};
use super::versions::{ByVersion, is_foreign};
use super::{Reset, Writer};
use crate::fieldset::Set;
use crate::meta::ObjectMeta;
use serde_json::Value;
use std::sync::LazyLock;

/// What nobody owns: upstream's `stripMeta`.
static UNOWNED: LazyLock<Set> = LazyLock::new(|| {
    Set::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// Brings `new.metadata.managedFields` up to date: `writer` owns from now on what differs from `live`.
///
/// `live` is the stored object, `None` on create. `new` is the object as decoded and defaulted, before admission and
/// before the strategy's `prepare_for_…`: what those change is owned by nobody (as upstream has it). Whatever
/// `managedFields` the client sent in `new` is taken where it can be read; `[{}]` resets the list; an object that is
/// not tracked stays so. Never fails: what cannot be read is dropped.
pub fn update_managed_fields(live: Option<&Value>, new: &mut Value, writer: &Writer<'_>) {
    let sent = managed::take(new);
    let list = starting_list(live, sent, writer);
    // An object whose tracking was reset is not tracked again by updates.
    if list.is_empty() && live.is_some_and(|live| !live.uid().is_empty()) {
        return;
    }
    let zero;
    let old = match live {
        Some(live) => live,
        None => {
            zero = zero_value(writer.schema);
            &zero
        }
    };
    let comparison = changes(writer, old, new);
    let (touched, untouched) = split(list, &comparison, writer);
    let changes = ByVersion::new(writer, old, new, comparison.into());
    let touched = reconcile(managed::decode(touched).unwrap_or_default(), writer);
    let entries = settle(changes, touched, writer);
    managed::put(new, entries, untouched);
}

/// The list to start from: what the client sent, or what the live object has. One that cannot be read counts as none.
fn starting_list(live: Option<&Value>, sent: Option<Value>, writer: &Writer<'_>) -> Vec<Value> {
    let of_live = live.and_then(|live| live.metadata().get("managedFields"));
    let sent = match sent {
        // A subresource cannot change the list; but mostly the client has sent it as it is, which saves a copy.
        Some(sent) if !writer.subresource.is_empty() && Some(&sent) != of_live => None,
        other => other,
    };
    if let Some(Value::Array(sent)) = sent {
        if let [Value::Object(only)] = sent.as_slice()
            && only.is_empty()
        {
            return Vec::new();
        }
        if !sent.is_empty() && managed::is_readable(&sent) {
            return sent;
        }
    }
    match of_live {
        Some(Value::Array(list)) if managed::is_readable(list) => list.clone(),
        _ => Vec::new(),
    }
}

/// Sets apart the entries that a change leaves as they are: the usual case for most of them, and not reading them saves
/// most of the work of an update. All are read where one has to be looked at closely (spelled unusually, listed twice,
/// too many), or where their type may have changed.
fn split(list: Vec<Value>, comparison: &Comparison, writer: &Writer<'_>) -> (Vec<Value>, Vec<Value>) {
    if may_have_changed(writer) || !managed::is_plain(&list) {
        return (list, Vec::new());
    }
    let sets = [&comparison.added, &comparison.modified, &comparison.removed];
    list.into_iter().partition(|entry| {
        let text = |field: &str| entry.get(field).and_then(Value::as_str);
        let is_special = text("manager") == Some(writer.manager) || is_foreign(writer, text("apiVersion"));
        is_special || entry.get("fieldsV1").is_some_and(|fields| sets.iter().any(|set| set.meets(fields)))
    })
}

/// The entries after `writer` has changed `old` into `new` by an update.
pub(super) fn track(old: &Value, new: &Value, entries: Vec<Entry>, writer: &Writer<'_>) -> Vec<Entry> {
    settle(ByVersion::new(writer, old, new, changes(writer, old, new).into()), entries, writer)
}

/// What changed is the writer's from now on, and nobody else's.
fn settle(mut changes: ByVersion<'_>, mut entries: Vec<Entry>, writer: &Writer<'_>) -> Vec<Entry> {
    take_away(&mut entries, &mut changes);
    let owned = changes.own().changed.clone().difference(&UNOWNED);
    if !owned.is_empty() {
        let entry = Entry {
            manager: writer.manager.to_owned(),
            operation: Operation::Update,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            // Entries of scales have none: upstream takes them over from another object.
            time: if writer.subresource == "scale" { String::new() } else { writer.now.to_owned() },
            set: owned,
        };
        match entries.iter_mut().find(|other| other.same_manager(&entry)) {
            Some(other) => {
                other.time = entry.time;
                other.set = std::mem::take(&mut other.set).union(entry.set);
            }
            None => entries.push(entry),
        }
    }
    entries.retain(|entry| !entry.set.is_empty());
    managed::cap(&mut entries);
    entries
}

/// Takes from all entries what changed, and lets those go that have nothing left, or whose version nobody knows.
pub(super) fn take_away(entries: &mut Vec<Entry>, changes: &mut ByVersion<'_>) {
    entries.retain_mut(|entry| {
        let Some(Changes { changed, removed }) = changes.of(entry) else { return false };
        entry.set = std::mem::take(&mut entry.set).difference(changed).difference(removed);
        true
    });
}

/// What differs between two objects: what is new or has another value, and what is gone.
pub(super) struct Changes {
    pub(super) changed: Set,
    pub(super) removed: Set,
}

impl From<Comparison> for Changes {
    fn from(comparison: Comparison) -> Self {
        Self { changed: comparison.modified.union(comparison.added), removed: comparison.removed }
    }
}

/// What differs between two objects, as far as the endpoint lets it.
pub(super) fn changes(writer: &Writer<'_>, old: &Value, new: &Value) -> Comparison {
    filtered(compare(Typed::root(writer.schema), old, new), writer.reset)
}

/// A comparison without what the endpoint puts back.
pub(super) fn filtered(comparison: Comparison, reset: &Reset) -> Comparison {
    let filter = |set: Set| Reset::filter(reset, set);
    Comparison {
        added: filter(comparison.added),
        modified: filter(comparison.modified),
        removed: filter(comparison.removed),
    }
}

/// `set` without what nobody owns.
pub(super) fn strip(set: Set) -> Set {
    set.difference(&UNOWNED)
}
