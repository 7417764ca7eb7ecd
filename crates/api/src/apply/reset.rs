//! Which fields an endpoint puts back, so that nobody can own them through it: upstream's `GetResetFields` of the
//! built-in strategies.

use super::Reset;
use crate::fieldset::Set;
use crate::schema::Schema;

/// The reset fields of an endpoint.
///
/// The rule: where there is a `status` subresource, the object's own endpoint puts back `status`, and `status` puts back
/// `spec`. The exceptions are named here. `subresource` is empty for the object itself; `has_status` says whether the
/// row has a `status` subresource.
pub fn reset_fields(group: &str, plural: &str, subresource: &str, has_status: bool) -> Reset {
    let except: &[&[&str]] = match (group, plural, subresource) {
        ("", "pods", "status") => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        ("apps", "deployments", "status") => &[&["spec"], &["metadata", "labels"]],
        ("", "pods", "ephemeralcontainers" | "resize") => &[],
        // Nobody owns a request for a certificate: it cannot be changed.
        ("certificates.k8s.io", "certificatesigningrequests", "") => &[&["spec"], &["status"]],
        (_, _, "status") => &[&["spec"]],
        _ if has_status => &[&["status"]],
        _ => &[],
    };
    let only: Option<&[&[&str]]> = match (group, plural, subresource) {
        ("", "pods", "ephemeralcontainers") => Some(&[&["spec", "ephemeralContainers"]]),
        ("", "pods", "resize") => Some(&[
            &["spec", "containers", "*", "resources"],
            &["spec", "containers", "*", "resizePolicy"],
            &["spec", "initContainers", "*", "resources"],
            &["spec", "initContainers", "*", "resizePolicy"],
        ]),
        _ => None,
    };
    Reset { except: Set::of_fields(except), only: only.map(Set::of_fields) }
}

/// The same for a custom resource: its `status` endpoint puts back every other field that the schema names, and metadata.
pub fn reset_fields_of_custom(schema: &Schema, subresource: &str, has_status: bool) -> Reset {
    let fields = schema.object().map(|object| &*object.fields).unwrap_or_default();
    let others: Vec<[&str; 1]> = match subresource {
        "status" => fields.iter().map(|field| [&*field.name]).filter(|[name]| *name != "status").collect(),
        _ if has_status => vec![["status"]],
        _ => Vec::new(),
    };
    let paths: Vec<&[&str]> = others.iter().map(|path| &path[..]).collect();
    Reset { except: Set::of_fields(&paths), only: None }
}
