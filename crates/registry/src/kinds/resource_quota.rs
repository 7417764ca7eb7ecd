//! Resource quotas. Counting what is used is admission's and the controller's.

use crate::object::{child, reset_status};
use crate::pod::defaults::round_quantities;
use crate::pod::{validate_quantity, validate_resource_name};
use crate::{At, Strategy, Subresource, Update};
use api::field::{Error, ErrorList};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];
/// Scopes that cannot both hold.
const OPPOSITES: [(&str, &str); 2] = [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];

/// The strategy of resource quotas.
#[derive(Debug)]
pub(crate) struct ResourceQuota;

impl Strategy for ResourceQuota {
    fn default(&self, object: &mut Value) {
        let Value::Object(quota) = object else { return };
        for (part, amounts) in [("spec", "hard"), ("status", "hard"), ("status", "used")] {
            if let Some(part) = child(quota, part) {
                round_quantities(part, amounts);
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let quota = At::root(object);
        let spec = quota.at("spec");
        validate_amounts(&spec.at("hard"), &mut errors);
        validate_scopes(&spec, &mut errors);
        validate_selector(&spec, &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let (new, old) = (At::root(update.new), At::root(update.old));
        if update.subresource == Some(Subresource::Status) {
            let mut errors = ErrorList::new();
            let status = new.at("status");
            validate_amounts(&status.at("hard"), &mut errors);
            validate_amounts(&status.at("used"), &mut errors);
            return errors;
        }
        let mut errors = self.validate(update.new);
        let scopes =
            |quota: &At| -> BTreeSet<String> { quota.at("spec").at("scopes").strings().map(str::to_owned).collect() };
        if scopes(&new) != scopes(&old) {
            errors.push(new.at("spec").at("scopes").invalid("field is immutable"));
        }
        errors
    }
}

fn validate_amounts(amounts: &At, errors: &mut ErrorList) {
    for (name, amount) in amounts.entries() {
        let path = amount.path();
        validate_resource_name(name, &path, errors);
        if !name.contains('/') && !is_quota_resource(name) {
            errors.push(Error::invalid(&path, name, "must be a standard resource for quota"));
        }
        validate_quantity(name, amount.str(), &path, errors);
    }
}

/// `IsStandardQuotaResourceName`
fn is_quota_resource(name: &str) -> bool {
    is_compute(name)
        || is_ephemeral_storage(name)
        || name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-")
        || name == "requests.storage"
        || matches!(name, "pods" | "services" | "replicationcontrollers" | "resourcequotas" | "secrets")
        || matches!(name, "configmaps" | "persistentvolumeclaims" | "services.nodeports" | "services.loadbalancers")
}

/// The resource itself, asked for or limited.
fn of_pods(name: &str) -> &str {
    name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name)
}

fn is_ephemeral_storage(name: &str) -> bool {
    of_pods(name) == "ephemeral-storage"
}

fn is_compute(name: &str) -> bool {
    matches!(of_pods(name), "cpu" | "memory")
}

/// `IsResourceQuotaScopeValidForResource`: whether a scope can narrow what is counted. What no one knows may be.
fn scope_fits(scope: &str, resource: &str) -> bool {
    match scope {
        _ if !is_quota_resource(resource) => true,
        "BestEffort" => resource == "pods",
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            resource == "pods" || is_compute(resource)
        }
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

fn validate_scopes(spec: &At, errors: &mut ErrorList) {
    let (scopes, hard) = (spec.at("scopes"), spec.at("hard"));
    for scope in scopes.strings() {
        if !SCOPES.contains(&scope) {
            errors.push(scopes.invalid("unsupported scope"));
        }
        for _ in hard.entries().filter(|(name, _)| !scope_fits(scope, name)) {
            errors.push(scopes.invalid("unsupported scope applied to resource"));
        }
    }
    for _ in opposites(&scopes.strings().collect()) {
        errors.push(scopes.invalid("conflicting scopes"));
    }
}

fn opposites(listed: &BTreeSet<&str>) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    OPPOSITES.iter().filter(|(a, b)| listed.contains(a) && listed.contains(b))
}

/// `validateScopedResourceSelectorRequirement`. Errors name the list, whichever expression is wrong.
fn validate_selector(spec: &At, errors: &mut ErrorList) {
    let (hard, selector) = (spec.at("hard"), spec.at("scopeSelector"));
    let expressions = selector.at("matchExpressions");
    for expression in expressions.items() {
        let scope = expression.at("scopeName").str();
        if !SCOPES.contains(&scope) {
            errors.push(expressions.at("scopeName").invalid_value(scope, "unsupported scope"));
        }
        for _ in hard.entries().filter(|(name, _)| !scope_fits(scope, name)) {
            let quoted = selector.go_text("io.k8s.api.core.v1.ScopeSelector");
            errors.push(expressions.invalid("unsupported scope applied to resource").printed_as(quoted));
        }
        validate_operator(&expressions, &expression, errors);
    }
    let listed = expressions.items().map(|expression| expression.at("scopeName").str()).collect();
    for _ in opposites(&listed) {
        // Upstream quotes the other list.
        let scopes = expressions.elsewhere("", spec.at("scopes").value());
        errors.push(Error { field: expressions.path().to_string(), ..scopes.invalid("conflicting scopes") });
    }
}

fn validate_operator(expressions: &At, expression: &At, errors: &mut ErrorList) {
    let (scope, operator) = (expression.at("scopeName").str(), expression.at("operator").str());
    let values = expressions.elsewhere("values", expression.at("values").value());
    let of_pods = !matches!(scope, "PriorityClass" | "VolumeAttributesClass") && SCOPES.contains(&scope);
    if of_pods && operator != "Exists" {
        let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
        errors.push(expressions.at("operator").invalid_value(operator, detail));
    }
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.push(values.required(detail));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
            errors.push(values.invalid(detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.push(expressions.at("operator").invalid_value(other, "not a valid selector operator")),
    }
}
