//! Which part of the old object stands behind a place whose rules fail: where nothing has changed there, the writer is
//! warned instead of refused (KEP-4008).

use api::structural::{Former, Node};
use serde_json::Value;

/// A new value, and the old one that it replaces.
#[derive(Clone, Copy)]
struct Pair<'a> {
    new: &'a Value,
    old: Former<'a>,
}

impl Pair<'_> {
    fn is_same(self) -> bool {
        self.old.is(self.new)
    }
}

/// The old value of one place.
#[derive(Clone, Copy, Default)]
pub(super) struct Lineage<'a> {
    /// `None`: the old value cannot be found.
    own: Option<Pair<'a>>,
    /// The nearest place above whose old value was found.
    above: Option<Pair<'a>>,
}

impl<'a> Lineage<'a> {
    pub(super) fn of(node: &'a Node, new: &'a Value, old: Option<&'a Value>) -> Self {
        Self { own: old.map(|old| Pair { new, old: Former::new(node, old) }), above: None }
    }

    /// The place under a key.
    pub(super) fn key(self, key: &str, new: &'a Value) -> Self {
        let Some(own) = self.own else { return self };
        if self.above.is_none() && matches!(key, "apiVersion" | "kind") {
            // Both objects have been converted to one version, so nobody can see whether these have changed.
            return Self::default();
        }
        Self { own: own.old.key(key).map(|old| Pair { new, old }), above: Some(own) }
    }

    /// The place of an item.
    pub(super) fn item(self, new: &'a Value) -> Self {
        let Some(own) = self.own else { return self };
        Self { own: own.old.item(new).map(|old| Pair { new, old }), above: Some(own) }
    }

    /// Whether nothing has changed.
    pub(super) fn is_same(self) -> bool {
        self.own.or(self.above).is_some_and(Pair::is_same)
    }
}
