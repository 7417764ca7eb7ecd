//! Who owns which field of an object, and server-side apply (KEP-555): `metadata.managedFields`, conflicts, pruning.
//!
//! Two entries: [`update_managed_fields`] after every create, update and patch, and [`apply`] for a server-side apply.
//! Both are pure functions of the live object, the new one and a [`Writer`]. The merge itself is schema-driven
//! (upstream's structured-merge-diff): lists merge by key, as sets, or not at all; maps key by key or not at all.
//! What not: defaulting and validation of the merged object, which the API server does as for any other write.

mod compare;
mod configuration;
mod conflict;
mod fields_of;
mod last_applied;
mod managed;
mod manager_name;
mod merge;
mod prune;
mod reconcile;
mod reset;
mod track;
mod typed;
mod validate;
mod versions;

pub use configuration::{ApplyRequest, apply, merge_configuration};
pub use conflict::{ApplyError, Conflict};
pub use managed::{managed_fields_defect, retain_timestamps};
pub use manager_name::{MAX_MANAGER_BYTES, manager_from_user_agent, validate_manager};
pub use reset::{reset_fields, reset_fields_of_custom};
pub use track::update_managed_fields;
pub use versions::Versions;

use crate::fieldset::Set;
use crate::schema::Schema;

/// The most entries for updates that an object keeps; upstream's `DefaultMaxUpdateManagers`. Older ones are merged
/// into one of the manager `ancient-changes`.
pub const MAX_UPDATE_MANAGERS: usize = 10;

/// Which fields a writer through an endpoint cannot own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// These and all below them are put back by the endpoint (`GetResetFields`).
    pub except: Set,
    /// Where set, nothing else than these and what is below them can be changed (`GetResetFieldsFilter`).
    pub only: Option<Set>,
}

impl Reset {
    /// `set` without what the endpoint puts back.
    fn filter(&self, set: Set) -> Set {
        let set = set.recursive_difference(&self.except);
        match &self.only {
            Some(only) => set.only_within(only),
            None => set,
        }
    }
}

/// Who writes, and through which endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The object's type.
    pub schema: &'a Schema,
    /// The `fieldManager` of the request, or [`manager_from_user_agent`].
    pub manager: &'a str,
    /// The version that the request uses: `v1`, `apps/v1`.
    pub api_version: &'a str,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// Which fields the endpoint puts back; see [`reset_fields`].
    pub reset: &'a Reset,
    /// The time of the request, RFC 3339 with whole seconds.
    pub now: &'a str,
    /// The other versions of the object, where it has entries of such; without, all entries are taken to be of this one.
    pub versions: Option<&'a dyn Versions>,
}

#[cfg(test)]
mod tests;
