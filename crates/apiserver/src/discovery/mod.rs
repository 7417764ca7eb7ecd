//! What the server serves, as documents: `/api`, `/apis`, `/apis/<group>`, `/api/v1`, `/apis/<group>/<version>`, and
//! the aggregated form of the first two (`APIGroupDiscoveryList` of apidiscovery.k8s.io/v2).
//!
//! [`Discovery`] is built from the rows, once and again when they change, and answers from finished bytes. What not:
//! routing of methods and authorization, which are the pipeline's; health and version.

mod aggregated;
mod document;
mod form;
mod plain;
mod remote;

pub use document::Document;
pub(crate) use document::hash;
pub(crate) use remote::{RemoteVersion, aggregated_resources};

use registry::Resource;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The media type of the aggregated form.
pub const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The groups and versions of some rows, in the order that clients see.
pub(crate) struct Groups<'a>(Vec<Group<'a>>);

/// One API group.
pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    /// The preferred version first. Rows are sorted by plural.
    pub(crate) versions: Vec<(&'a str, Vec<&'a Resource>)>,
}

impl<'a> Groups<'a> {
    /// Sorts rows into groups: the built-in groups in upstream's order, others by name behind them.
    pub(crate) fn of(rows: &'a [Arc<Resource>]) -> Self {
        let mut groups: BTreeMap<(usize, &str), VersionsOf<'_>> = BTreeMap::new();
        let builtin = registry::groups();
        for row in rows {
            let place = builtin.iter().position(|(name, _)| *name == &*row.group);
            let versions = place.map_or(&[] as &[&str], |at| builtin[at].1);
            let version = versions.iter().position(|name| *name == &*row.version).unwrap_or(versions.len());
            let group = groups.entry((place.unwrap_or(builtin.len()), &row.group)).or_default();
            group.entry((version, &row.version)).or_default().push(row);
        }
        let sorted = |mut rows: Vec<&'a Resource>| {
            rows.sort_by(|a, b| a.plural.cmp(&b.plural));
            rows
        };
        let groups = groups.into_iter().map(|((place, name), versions)| {
            let mut versions: Vec<(&str, Vec<&Resource>)> =
                versions.into_iter().map(|((_, version), rows)| (version, sorted(rows))).collect();
            if place == builtin.len() {
                versions.sort_by(|a, b| registry::custom::compare_versions(a.0, b.0));
            }
            Group { name, versions }
        });
        Self(groups.collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group<'a>> {
        self.0.iter()
    }
}

/// `v1`, `apps/v1`.
pub(crate) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// All discovery documents of a server.
#[derive(Debug)]
pub struct Discovery {
    plain: BTreeMap<String, Document>,
    aggregated: BTreeMap<&'static str, Document>,
}

/// The rows of a group's versions, in the order of preference.
type VersionsOf<'a> = BTreeMap<(usize, &'a str), Vec<&'a Resource>>;

impl Discovery {
    /// The documents for `rows`, and for what others serve; `server_address` (`10.0.0.1:6443`) is what `/api` tells clients.
    pub(crate) fn new(rows: &[Arc<Resource>], remote: &[RemoteVersion], server_address: &str) -> Self {
        let groups = Groups::of(rows);
        let plain = plain::documents(&groups, remote, server_address);
        Self { plain, aggregated: aggregated::documents(&groups, remote) }
    }

    /// The document at `path` (a trailing slash does not matter) in the best form that `accept` (the whole `Accept`
    /// header, empty when missing) asks for. `None`: there is no such path, `404 page not found`; `Some(None)`: the client
    /// takes none of its forms, 406.
    pub fn respond(&self, path: &str, accept: &str) -> Option<Option<Document>> {
        let path = path.trim_end_matches('/');
        let (plain, aggregated) = (self.plain.get(path)?, self.aggregated.get(path));
        Some(form::negotiate(accept, aggregated.is_some()).and_then(|form| {
            let document = aggregated.filter(|_| form.is_aggregated).unwrap_or(plain);
            form::written(document, form.media, form.is_aggregated)
        }))
    }

    /// Whether there is a document at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.plain.contains_key(path.trim_end_matches('/'))
    }

    /// Every path that has a document, for the list at `/`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.plain.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
