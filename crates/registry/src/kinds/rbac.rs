//! Roles and bindings of rbac.authorization.k8s.io. Escalation is the API server's concern; here is only their form.

use crate::labels::validate_label_selector;
use crate::names;
use crate::object::{child, children, default_str, str_at};
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;

const GROUP: &str = "rbac.authorization.k8s.io";

/// The strategy of roles; the flag tells those of a namespace.
#[derive(Debug)]
pub(crate) struct Role {
    /// Whether it is a Role, not a ClusterRole.
    pub(crate) namespaced: bool,
}

impl Strategy for Role {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let role = At::root(object);
        role.at("rules").items().for_each(|rule| self.validate_rule(&rule, &mut errors));
        let aggregation = role.at("aggregationRule");
        if aggregation.exists() {
            let selectors = aggregation.at("clusterRoleSelectors");
            if selectors.is_empty() {
                let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
                errors.push(selectors.required(detail));
            }
            selectors.items().for_each(|selector| validate_label_selector(&selector, &mut errors));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        self.validate(update.new)
    }

    fn validate_name(&self, name: &str) -> Vec<String> {
        names::path_segment(name)
    }
}

impl Role {
    /// `ValidatePolicyRule`
    fn validate_rule(&self, rule: &At, errors: &mut ErrorList) {
        if rule.at("verbs").is_empty() {
            errors.push(rule.at("verbs").required("verbs must contain at least one value"));
        }
        let urls = rule.at("nonResourceURLs");
        if !urls.is_empty() {
            if self.namespaced {
                errors.push(urls.invalid("namespaced rules cannot apply to non-resource URLs"));
            }
            if ["apiGroups", "resources", "resourceNames"].iter().any(|field| !rule.at(field).is_empty()) {
                errors.push(urls.invalid("rules cannot apply to both regular resources and non-resource URLs"));
            }
            return;
        }
        if rule.at("apiGroups").is_empty() {
            errors.push(rule.at("apiGroups").required("resource rules must supply at least one api group"));
        }
        if rule.at("resources").is_empty() {
            errors.push(rule.at("resources").required("resource rules must supply at least one resource"));
        }
    }
}

/// The strategy of bindings; the flag tells those of a namespace.
#[derive(Debug)]
pub(crate) struct Binding {
    /// Whether it is a RoleBinding, not a ClusterRoleBinding.
    pub(crate) namespaced: bool,
}

impl Strategy for Binding {
    fn default(&self, object: &mut Value) {
        let Value::Object(binding) = object else { return };
        if let Some(role) = child(binding, "roleRef") {
            default_str(role, "apiGroup", GROUP);
        }
        for subject in children(binding, "subjects") {
            if matches!(str_at(subject, "kind"), "User" | "Group") {
                default_str(subject, "apiGroup", GROUP);
            }
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let binding = At::root(object);
        let role = binding.at("roleRef");
        if role.at("apiGroup").str() != GROUP {
            errors.push(role.at("apiGroup").not_supported(&[GROUP]));
        }
        let kinds: &[&str] = if self.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
        if !kinds.contains(&role.at("kind").str()) {
            errors.push(role.at("kind").not_supported(kinds));
        }
        role.at("name").require_and_check(&mut errors, names::path_segment);
        binding.at("subjects").items().for_each(|subject| self.validate_subject(&subject, &mut errors));
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = self.validate(update.new);
        let (new, old) = (At::root(update.new), At::root(update.old));
        let (role, old_role) = (new.at("roleRef"), old.at("roleRef"));
        if role.value() != old_role.value() {
            errors.push(role.invalid_struct("io.k8s.api.rbac.v1.RoleRef", "cannot change roleRef"));
        }
        errors
    }

    fn validate_name(&self, name: &str) -> Vec<String> {
        names::path_segment(name)
    }
}

impl Binding {
    /// `ValidateRoleBindingSubject`
    fn validate_subject(&self, subject: &At, errors: &mut ErrorList) {
        let (name, group) = (subject.at("name"), subject.at("apiGroup"));
        name.require(errors);
        match subject.at("kind").str() {
            "ServiceAccount" => {
                if !name.is_empty() {
                    name.check(errors, names::dns1123_subdomain);
                }
                if !group.is_empty() {
                    errors.push(group.not_supported(&[""]));
                }
                if !self.namespaced {
                    subject.at("namespace").require(errors);
                }
            }
            // Upstream's other error of a name that is not there is dropped from its answers: the required one stands.
            "User" | "Group" => {
                if group.str() != GROUP {
                    errors.push(group.not_supported(&[GROUP]));
                }
            }
            _ => errors.push(subject.at("kind").not_supported(&["ServiceAccount", "User", "Group"])),
        }
    }
}
