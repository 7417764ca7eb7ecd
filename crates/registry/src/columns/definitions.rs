//! Which columns each resource has, and which function fills them.

use super::Row;
use jiff::Timestamp;
use serde_json::Value;

/// Columns (in the notation of `super::parse`) and the function of a resource.
pub(super) fn lookup(group: &str, plural: &str) -> (&'static str, fn(&Value, Timestamp) -> Row) {
    let _ = (group, plural);
    ("Name*|Created At:date", created_at)
}

/// `Name` and `Created At`, for kinds without columns of their own.
fn created_at(object: &Value, _now: Timestamp) -> Row {
    let metadata = &object["metadata"];
    vec![metadata["name"].clone(), metadata["creationTimestamp"].clone()].into()
}
