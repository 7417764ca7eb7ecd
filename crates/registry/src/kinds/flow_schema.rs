//! Flow schemas: which requests go to which priority level (`k8s.io/kubernetes/pkg/apis/flowcontrol/validation`).

use super::flow_bootstrap;
use crate::object::{WRITABLE_METADATA, child_or_new, default_int, keep_metadata_of_status};
use crate::{At, Strategy, Subresource, Update, names};
use api::field::ErrorList;
use serde_json::Value;
use std::collections::BTreeSet;

const DEFAULT_PRECEDENCE: i64 = 1000;
const MAX_PRECEDENCE: i64 = 10_000;
/// The precedence of the schema `exempt` alone.
const EXEMPT_PRECEDENCE: i64 = 1;
const VERBS: [&str; 9] = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const SUBJECT_KINDS: [(&str, &str); 3] = [("Group", "group"), ("ServiceAccount", "serviceAccount"), ("User", "user")];

/// The strategy of flow schemas.
#[derive(Debug)]
pub(crate) struct FlowSchema;

impl Strategy for FlowSchema {
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        keep_metadata_of_status(new, old, subresource, &WRITABLE_METADATA);
    }

    fn default(&self, object: &mut Value) {
        if let Value::Object(schema) = object {
            default_int(child_or_new(schema, "spec"), "matchingPrecedence", DEFAULT_PRECEDENCE);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        crate::object::reset_status(object, serde_json::json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let (spec, name) = (root.at("spec"), root.at("metadata").at("name").str());
        validate_spec(&spec, name, &mut errors);
        let definition = "io.k8s.api.flowcontrol.v1.FlowSchemaSpec";
        flow_bootstrap::validate_mandatory(flow_bootstrap::flow_schemas, definition, &root, &mut errors);
        validate_conditions(&root.at("status").at("conditions"), &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            let mut errors = ErrorList::new();
            validate_conditions(&At::root(update.new).at("status").at("conditions"), &mut errors);
            return errors;
        }
        self.validate(update.new)
    }
}

/// `ValidateFlowSchemaSpec`
fn validate_spec(spec: &At, name: &str, errors: &mut ErrorList) {
    let precedence = spec.at("matchingPrecedence");
    let number = precedence.int().unwrap_or(0);
    if number <= 0 {
        errors.push(precedence.invalid("must be a positive value"));
    }
    if number > MAX_PRECEDENCE {
        errors.push(precedence.invalid(format!("must not be greater than {MAX_PRECEDENCE}")));
    }
    if number == EXEMPT_PRECEDENCE && name != "exempt" {
        errors.push(precedence.invalid("only the schema named 'exempt' may have matchingPrecedence 1"));
    }
    let method = spec.at("distinguisherMethod");
    if method.exists() && !matches!(method.at("type").str(), "ByNamespace" | "ByUser") {
        // The method is quoted whole, under the path of its type.
        let printed = method.go_text("io.k8s.api.flowcontrol.v1.FlowDistinguisherMethod");
        errors.push(method.at("type").not_supported(&["ByNamespace", "ByUser"]).printed_as(printed));
    }
    let reference = spec.at("priorityLevelConfiguration");
    let level = reference.at("name");
    if level.is_empty() {
        errors.push(level.required("must reference a priority level"));
    } else {
        level.check(errors, names::dns1123_subdomain);
    }
    for rule in spec.at("rules").items() {
        validate_rule(&rule, errors);
    }
}

fn validate_rule(rule: &At, errors: &mut ErrorList) {
    let (subjects, resources, urls) = (rule.at("subjects"), rule.at("resourceRules"), rule.at("nonResourceRules"));
    if subjects.is_empty() {
        errors.push(subjects.required("subjects must contain at least one value"));
    }
    subjects.items().for_each(|subject| validate_subject(&subject, errors));
    if resources.is_empty() && urls.is_empty() {
        errors.push(rule.required("at least one of resourceRules and nonResourceRules has to be non-empty"));
    }
    resources.items().for_each(|rule| validate_resource_rule(&rule, errors));
    urls.items().for_each(|rule| validate_url_rule(&rule, errors));
}

fn validate_subject(subject: &At, errors: &mut ErrorList) {
    let kind = subject.at("kind");
    let Some((_, own)) = SUBJECT_KINDS.iter().find(|(name, _)| *name == kind.str()) else {
        let kinds = SUBJECT_KINDS.map(|(name, _)| name);
        errors.push(kind.not_supported(&kinds));
        return;
    };
    let of = subject.at(own);
    let name = of.at("name");
    if !of.exists() {
        errors.push(of.required(&format!("{own} is required when subject kind is '{}'", kind.str())));
    } else if name.is_empty() {
        errors.push(name.required(""));
    } else if *own == "serviceAccount" && name.str() != "*" {
        name.check(errors, names::dns1123_subdomain);
    }
    if of.exists() && *own == "serviceAccount" {
        let namespace = of.at("namespace");
        if namespace.is_empty() {
            errors.push(namespace.required("must specify namespace for service account"));
        } else {
            namespace.check(errors, names::dns1123_label);
        }
    }
    for (name, field) in SUBJECT_KINDS.iter().filter(|(_, field)| field != own) {
        if subject.at(field).exists() {
            let detail = format!("{field} is forbidden when subject kind is not '{name}'");
            errors.push(subject.at(field).forbidden(detail));
        }
    }
}

fn has_star(list: &At) -> bool {
    list.strings().any(|one| one == "*")
}

/// A list that has something, and nothing beside `*`.
fn validate_list(list: &At, missing: &str, plural: &str, errors: &mut ErrorList) {
    if list.is_empty() {
        errors.push(list.required(missing));
    } else if list.len() > 1 && has_star(list) {
        errors.push(list.invalid(format!("if '*' is present, must not specify other {plural}")));
    }
}

fn validate_verbs(verbs: &At, errors: &mut ErrorList) {
    validate_list(verbs, "verbs must contain at least one value", "verbs", errors);
    if !has_star(verbs) && verbs.strings().any(|verb| !VERBS.contains(&verb)) {
        errors.push(verbs.not_supported_value(verbs.value().cloned().unwrap_or_default(), &VERBS));
    }
}

fn validate_resource_rule(rule: &At, errors: &mut ErrorList) {
    validate_verbs(&rule.at("verbs"), errors);
    let missing = "resource rules must supply at least one";
    validate_list(&rule.at("apiGroups"), &format!("{missing} api group"), "api groups", errors);
    validate_list(&rule.at("resources"), &format!("{missing} resource"), "resources", errors);
    let namespaces = rule.at("namespaces");
    if namespaces.is_empty() && !rule.at("clusterScope").bool() {
        let detail = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.push(namespaces.required(detail));
    } else if has_star(&namespaces) {
        validate_list(&namespaces, "", "namespaces", errors);
    } else {
        let rule = |text: &str| {
            let wrong = names::dns1123_label(text).into_iter();
            wrong.map(|why| format!("each member of this list must be '*' or a DNS-1123 label; {why}")).collect()
        };
        namespaces.items().for_each(|namespace| namespace.check(errors, rule));
    }
}

fn validate_url_rule(rule: &At, errors: &mut ErrorList) {
    validate_verbs(&rule.at("verbs"), errors);
    let urls = rule.at("nonResourceURLs");
    validate_list(&urls, "nonResourceURLs must contain at least one value", "non-resource URLs", errors);
    if has_star(&urls) {
        return;
    }
    for url in urls.items() {
        let path = url.str();
        let stars = path.matches('*').count();
        let wrong = match path {
            "" => "must not be empty",
            "/" => continue,
            _ if !path.starts_with('/') => "must start with slash",
            _ if path.contains(' ') => "must not contain white-space",
            _ if path.contains("//") => "must not contain double slash",
            _ if stars > 1 || (stars == 1 && !path.ends_with("/*")) => "wildcard can only do suffix matching",
            _ => continue,
        };
        errors.push(url.invalid(wrong));
    }
}

/// Conditions, one of each type.
pub(super) fn validate_conditions(conditions: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for condition in conditions.items() {
        let kind = condition.at("type");
        if !seen.insert(kind.str()) {
            errors.push(kind.duplicate());
        }
        if kind.is_empty() {
            errors.push(kind.required("must not be empty"));
        }
    }
}
