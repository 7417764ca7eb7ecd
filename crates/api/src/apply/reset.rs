//! Which fields an endpoint puts back, so that nobody can own them through it: upstream's `GetResetFields` of the
//! built-in strategies.

use super::Reset;
use crate::fieldset::Set;

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
        // Nobody owns a request for a certificate: it cannot be changed. Who signs does not approve.
        ("certificates.k8s.io", "certificatesigningrequests", "") => &[&["spec"], &["status"]],
        ("certificates.k8s.io", "certificatesigningrequests", "status") => &[&["spec"], &["status", "conditions"]],
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => &[&["spec"], &["status", "certificate"]],
        // Upstream has these under a group that does not exist.
        ("networking.k8s.io", "servicecidrs", _) => &[],
        (
            "admissionregistration.k8s.io"
            | "apiregistration.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
            | "storage.k8s.io"
            | "storagemigration.k8s.io",
            _,
            "status",
        )
        | ("resource.k8s.io", "devicetaintrules", "status") => &[&["metadata"], &["spec"]],
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

/// The same for a custom resource. Upstream does not name other fields than `spec`, though its `status` endpoint puts
/// them back too.
pub fn reset_fields_of_custom(subresource: &str, has_status: bool) -> Reset {
    let except: &[&[&str]] = match subresource {
        "status" => &[&["metadata"], &["spec"]],
        _ if has_status => &[&["status"]],
        _ => &[],
    };
    Reset { except: Set::of_fields(except), only: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What of these fields an endpoint lets someone own.
    fn owned(reset: &Reset, fields: &[&[&str]]) -> serde_json::Value {
        reset.filter(Set::of_fields(fields)).into_value()
    }

    #[test]
    fn who_signs_does_not_approve() {
        let fields: &[&[&str]] = &[&["spec", "request"], &["status", "conditions"], &["status", "certificate"]];
        let of = |part| owned(&reset_fields("certificates.k8s.io", "certificatesigningrequests", part, true), fields);
        assert_eq!(of("status"), json!({"f:status": {"f:certificate": {}}}));
        assert_eq!(of("approval"), json!({"f:status": {"f:conditions": {}}}));
        assert_eq!(of(""), json!({}));
    }

    #[test]
    fn metadata_is_put_back_by_some_kinds_only() {
        let fields: &[&[&str]] = &[&["metadata", "labels"], &["spec", "x"], &["status", "y"], &["extra"]];
        let of = |group, plural| owned(&reset_fields(group, plural, "status", true), fields);
        let without = json!({"f:extra": {}, "f:status": {"f:y": {}}});
        assert_eq!(of("storage.k8s.io", "volumeattachments"), without);
        assert_eq!(owned(&reset_fields_of_custom("status", true), fields), without);
        let with = json!({"f:extra": {}, "f:metadata": {"f:labels": {}}, "f:status": {"f:y": {}}});
        assert_eq!(of("batch", "jobs"), with);
    }
}
