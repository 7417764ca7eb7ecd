//! The resource table: every built-in resource is one row of one flat list.
//!
//! Routes, discovery, OpenAPI, printing, patches, watches and RBAC names all come from these rows; a
//! CustomResourceDefinition adds rows of the same type at run time. A test compares the rows with the discovery
//! documents of Kubernetes v1.36.

mod row;
mod rows;

pub use row::{Row, row};

use crate::Resource;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The groups in the order of discovery, each with its versions, the preferred one first.
static GROUPS: &[(&str, &[&str])] = &[
    ("", &["v1"]),
    ("apiregistration.k8s.io", &["v1"]),
    ("apps", &["v1"]),
    ("events.k8s.io", &["v1"]),
    ("authentication.k8s.io", &["v1"]),
    ("authorization.k8s.io", &["v1"]),
    ("autoscaling", &["v2", "v1"]),
    ("batch", &["v1"]),
    ("certificates.k8s.io", &["v1"]),
    ("networking.k8s.io", &["v1"]),
    ("policy", &["v1"]),
    ("rbac.authorization.k8s.io", &["v1"]),
    ("storage.k8s.io", &["v1"]),
    ("admissionregistration.k8s.io", &["v1"]),
    ("apiextensions.k8s.io", &["v1"]),
    ("scheduling.k8s.io", &["v1"]),
    ("coordination.k8s.io", &["v1"]),
    ("node.k8s.io", &["v1"]),
    ("discovery.k8s.io", &["v1"]),
    ("resource.k8s.io", &["v1"]),
    ("flowcontrol.apiserver.k8s.io", &["v1"]),
];

static TABLE: LazyLock<Vec<Resource>> = LazyLock::new(rows::all);

/// Rows by group, version and plural.
static BY_PLURAL: LazyLock<HashMap<(&str, &str, &str), &Resource>> =
    LazyLock::new(|| TABLE.iter().map(|r| ((&*r.group, &*r.version, &*r.plural), r)).collect());

/// Rows by group, version and kind.
static BY_KIND: LazyLock<HashMap<(&str, &str, &str), &Resource>> =
    LazyLock::new(|| TABLE.iter().map(|r| ((&*r.group, &*r.version, &*r.kind), r)).collect());

/// Every built-in resource, grouped as in [`groups`].
pub fn table() -> &'static [Resource] {
    &TABLE
}

/// The row that serves a path.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    BY_PLURAL.get(&(group, version, plural)).copied()
}

/// The row of a kind.
pub fn find_kind(group: &str, version: &str, kind: &str) -> Option<&'static Resource> {
    BY_KIND.get(&(group, version, kind)).copied()
}

/// The groups in the order of discovery (core, with the empty name, first), each with its versions, the preferred first.
pub fn groups() -> &'static [(&'static str, &'static [&'static str])] {
    GROUPS
}

#[cfg(test)]
mod tests;
