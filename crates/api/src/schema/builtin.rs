//! The built-in types, read once from `data/types.txt`.

use super::{Schema, parse};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The table itself; `tests/types_table.rs` makes it from the facts in the shared folder.
const TYPES: &str = include_str!("../../data/types.txt");

/// All built-in types and the ways to find them.
pub(super) struct Table {
    /// In the order of the file.
    pub schemas: Vec<Schema>,
    /// Name of the definition → number. The names are parts of the file.
    pub by_name: HashMap<&'static str, u16>,
    /// (group, version, kind) → number, for the types that objects on the wire have.
    pub by_gvk: HashMap<(&'static str, &'static str, &'static str), u16>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| parse::table(TYPES))
}

/// The type with this number; numbers come from the table itself.
pub(super) fn by_number(number: u16) -> &'static Schema {
    &table().schemas[usize::from(number)]
}

/// The built-in type of this name, such as `io.k8s.api.core.v1.Pod`.
pub fn builtin(definition: &str) -> Option<&'static Schema> {
    table().by_name.get(definition).map(|number| by_number(*number))
}

/// The name of the built-in type of an object's `apiVersion` (split) and `kind`.
///
/// `DeleteOptions` and `WatchEvent` belong to every group; they are found under the group and version asked for.
pub fn definition_for(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    let number = *table().by_gvk.get(&(group, version, kind))?;
    by_number(number).object().map(|object| &*object.name)
}

/// The names of all built-in types, in the order of the table.
pub fn definitions() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<(u16, &'static str)> = table().by_name.iter().map(|(name, number)| (*number, *name)).collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name)
}

/// The number of the built-in type of this name.
pub(super) fn number_of(definition: &str) -> Option<u16> {
    table().by_name.get(definition).copied()
}
