//! Entries of other versions than the one that is written: what they own is judged in their own version, to which both
//! objects are converted (`Updater` of upstream's structured-merge-diff).

use super::{Reset, Writer};
#[cfg(test)]
mod tests;

use super::compare::compare;
use super::managed::Entry;
use super::prune::prune;
use super::track::{self, Changes};
use super::typed::{Shape, Typed, list_element};
use crate::fieldset::{Node, PathElement, Set};
use crate::schema::Schema;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// The versions of a resource.
pub trait Versions: Debug + Sync {
    /// The type in a version; `None`: nobody knows the version any more.
    fn schema(&self, api_version: &str) -> Option<&Schema>;

    /// What the endpoint puts back of a version, where that is not what it puts back of the writer's.
    fn reset(&self, api_version: &str) -> Option<Reset> {
        let _ = api_version;
        None
    }

    /// An object of any version in another; `None`: that cannot be had.
    fn convert(&self, object: &Value, api_version: &str) -> Option<Value>;
}

/// What changed, by version.
pub(super) struct ByVersion<'a> {
    writer: &'a Writer<'a>,
    objects: (&'a Value, &'a Value),
    own: Changes,
    others: BTreeMap<String, Option<Changes>>,
}

impl<'a> ByVersion<'a> {
    /// `own` is what changed in the writer's version.
    pub(super) fn new(writer: &'a Writer<'a>, old: &'a Value, new: &'a Value, own: Changes) -> Self {
        Self { writer, objects: (old, new), own, others: BTreeMap::new() }
    }

    pub(super) fn own(&self) -> &Changes {
        &self.own
    }

    /// What changed in the version of an entry; `None`: it goes with its version. Where an object cannot be converted, the
    /// writer's version has to do.
    pub(super) fn of(&mut self, entry: &Entry) -> Option<&Changes> {
        let Some(versions) = self.writer.versions.filter(|_| entry.api_version != self.writer.api_version) else {
            return Some(&self.own);
        };
        let schema = versions.schema(&entry.api_version)?;
        let (writer, (old, new)) = (self.writer, self.objects);
        let changes = self.others.entry(entry.api_version.clone()).or_insert_with(|| {
            let old = versions.convert(old, &entry.api_version)?;
            let new = versions.convert(new, &entry.api_version)?;
            let comparison = compare(Typed::root(schema), &old, &new);
            let reset = versions.reset(&entry.api_version);
            Some(track::filtered(comparison, reset.as_ref().unwrap_or(writer.reset)).into())
        });
        Some(changes.as_ref().unwrap_or(&self.own))
    }
}

/// Takes away what the last configuration had and nobody owns any more, each version by itself. `entries` are the others',
/// `mine` is the new configuration's.
pub(super) fn prune_in_versions(
    writer: &Writer<'_>,
    merged: Value,
    last: &Entry,
    entries: &[Entry],
    mine: &Entry,
) -> Value {
    let all = || entries.iter().chain([mine]);
    let owned_in = |version: Option<&str>| {
        let of_version = all().filter(|entry| version.is_none_or(|version| entry.api_version == version));
        of_version.fold(Set::default(), |all, entry| all.union(entry.set.clone()))
    };
    let owned = |version: &str| owned_in(Some(version));
    let is_foreign = |entry: &Entry| entry.api_version != writer.api_version;
    let own_typed = Typed::root(writer.schema);
    let Some(versions) = writer.versions.filter(|_| is_foreign(last) || entries.iter().any(is_foreign)) else {
        return prune(own_typed, merged, &last.set, &owned_in(None));
    };
    let convert = |object: &Value, version: &str| versions.convert(object, version);
    // Who does not know the version of the last configuration cannot tell what it had.
    let Some(schema) = versions.schema(&last.api_version) else { return merged };
    let Some(at_last) = convert(&merged, &last.api_version) else {
        return prune(own_typed, merged, &last.set, &owned_in(None));
    };
    let mut pruned = prune(Typed::root(schema), at_last.clone(), &last.set, &owned(&last.api_version));
    let others: BTreeSet<&str> = all().map(|entry| entry.api_version.as_str()).collect();
    for version in others.into_iter().filter(|version| *version != last.api_version) {
        let Some(schema) = versions.schema(version) else { continue };
        let (Some(whole), Some(rest)) = (convert(&merged, version), convert(&pruned, version)) else { continue };
        pruned = put_back(Typed::root(schema), whole, Some(&rest), (&owned(version), true));
    }
    // What went along with its parent comes back where the last configuration had nothing to do with it.
    if let Some(rest) = convert(&pruned, &last.api_version) {
        pruned = put_back(Typed::root(schema), at_last, Some(&rest), (&last.set, false));
    }
    convert(&pruned, writer.api_version).unwrap_or(merged)
}

/// `whole` without what is not in `rest`, unless it is a member of the set, or (`false`) none.
fn put_back(typed: Typed<'_>, whole: Value, rest: Option<&Value>, (set, members): (&Set, bool)) -> Value {
    static NOTHING: Set = Set::new();
    let below = |element: &PathElement| (set.get(element.as_str()).map_or(&NOTHING, |node| &node.children), members);
    let comes_back = |element: &PathElement, named: bool| {
        let is_member = |node: &Node| node.member || (named && !node.children.is_empty());
        set.get(element.as_str()).is_some_and(is_member) == members
    };
    match (typed.shape(&whole), whole) {
        (Shape::Map, Value::Object(map)) => {
            let mut kept = Map::new();
            for (key, value) in map {
                let (child, named) = typed.child_or_untyped(&key);
                let (element, rest) = (PathElement::field(&key), rest.and_then(|rest| rest.get(&key)));
                if rest.is_some() || comes_back(&element, named) {
                    kept.insert(key, put_back(child, value, rest, below(&element)));
                }
            }
            Value::Object(kept)
        }
        (Shape::List(items, list_type), Value::Array(list)) => {
            let of = |item: &Value| list_element(items, list_type, item).ok();
            let left: Vec<(Option<PathElement>, &Value)> =
                rest.and_then(Value::as_array).into_iter().flatten().map(|item| (of(item), item)).collect();
            let mut kept = Vec::with_capacity(list.len());
            for item in list {
                let Some(element) = of(&item) else {
                    kept.push(item);
                    continue;
                };
                let rest = left.iter().find(|(other, _)| other.as_ref() == Some(&element)).map(|(_, item)| *item);
                if rest.is_some() || comes_back(&element, false) {
                    kept.push(put_back(items, item, rest, below(&element)));
                }
            }
            Value::Array(kept)
        }
        (_, whole) => whole,
    }
}

/// Whether an entry of this version has to be looked at in any case.
pub(super) fn is_foreign(writer: &Writer<'_>, api_version: Option<&str>) -> bool {
    writer.versions.is_some() && api_version != Some(writer.api_version)
}
