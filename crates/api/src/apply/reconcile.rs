//! Entries that were written when the type was another: where a map or list has become atomic, who owned something in it owns
//! the whole from now on (`ReconcileFieldSetWithSchema` of upstream's structured-merge-diff).
//!
//! What not: the other way. Of what was atomic nobody can tell that it was, so its owners own it as if it had always been
//! granular, and nothing in it. Nor built-in types, which no client changes.

use super::Writer;
use super::managed::Entry;
use super::typed::Typed;
use crate::fieldset::{Node, Set};
use crate::schema::Origin;

/// Whether the type of an object can have been another when its entries were written.
pub(super) fn may_have_changed(writer: &Writer<'_>) -> bool {
    writer.schema.origin != Origin::Go
}

/// The entries as the types of now have them, each in its own version.
pub(super) fn reconcile(mut entries: Vec<Entry>, writer: &Writer<'_>) -> Vec<Entry> {
    if !may_have_changed(writer) {
        return entries;
    }
    for entry in &mut entries {
        let other = writer.versions.filter(|_| entry.api_version != writer.api_version);
        // an entry of a version that is gone goes anyway
        let schema = other.map_or(Some(writer.schema), |versions| versions.schema(&entry.api_version));
        if let Some(schema) = schema {
            entry.set = below(Typed::root(schema), std::mem::take(&mut entry.set));
        }
    }
    entries
}

fn below(typed: Typed<'_>, set: Set) -> Set {
    let nodes = set.nodes.into_iter().map(|(element, node)| {
        let child = match element.field_name() {
            Some(name) => typed.child(name).map(|(child, _)| child),
            None => typed.items(),
        };
        let node = match child {
            Some(child) if child.is_atomic() && !node.children.is_empty() => {
                Node { member: true, children: Set::new() }
            }
            Some(child) => Node { member: node.member, children: below(child, node.children) },
            None => node,
        };
        (element, node)
    });
    Set { nodes: nodes.collect() }
}

#[cfg(test)]
mod tests;
