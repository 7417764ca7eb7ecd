//! Defaults of admission configurations (`k8s.io/kubernetes/pkg/apis/admissionregistration/v1/defaults.go`).

use crate::object::{child, children, default, default_str};
use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// Whom rules match, of webhooks, policies and bindings alike.
pub(super) fn matching(fields: &mut Fields, rules: &[&str]) {
    default_str(fields, "matchPolicy", "Equivalent");
    default(fields, "namespaceSelector", json!({}));
    default(fields, "objectSelector", json!({}));
    for list in rules {
        for rule in children(fields, list) {
            default_str(rule, "scope", "*");
        }
    }
}

/// One webhook.
pub(super) fn webhook(webhook: &mut Fields, is_mutating: bool) {
    default_str(webhook, "failurePolicy", "Fail");
    matching(webhook, &["rules"]);
    default(webhook, "timeoutSeconds", 10);
    if is_mutating {
        default_str(webhook, "reinvocationPolicy", "Never");
    }
    let service = child(webhook, "clientConfig").and_then(|client| child(client, "service"));
    if let Some(service) = service {
        default(service, "port", 443);
    }
}
