//! Reviews: questions that are answered, not stored (`k8s.io/kubernetes/pkg/apis/authorization/validation`).

use crate::labels::validate_label_name;
use crate::{At, Strategy, names};
use api::field::ErrorList;
use serde_json::Value;

/// What a question about a path is printed as.
const NON_RESOURCE: &str = "io.k8s.api.authorization.v1.NonResourceAttributes";
const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The strategy of the three access reviews.
#[derive(Debug)]
pub(crate) struct AccessReview {
    /// Whether the question names its user (not `SelfSubjectAccessReview`).
    pub(crate) names_user: bool,
    /// Whether it is asked in a namespace (`LocalSubjectAccessReview`).
    pub(crate) local: bool,
}

impl Strategy for AccessReview {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let review = At::root(object);
        let spec = review.at("spec");
        let (resource, other) = (spec.at("resourceAttributes"), spec.at("nonResourceAttributes"));
        if resource.exists() && other.exists() {
            let detail = "cannot be specified in combination with resourceAttributes";
            errors.push(other.invalid_struct(NON_RESOURCE, detail));
        }
        if !resource.exists() && !other.exists() {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(resource.invalid(detail));
        }
        if self.names_user && spec.at("user").is_empty() && spec.at("groups").is_empty() {
            errors.push(spec.at("user").invalid_value("", "at least one of user or group must be specified"));
        }
        validate_selectors(&resource, &mut errors);
        let metadata = review.at("metadata");
        self.validate_metadata(&metadata, &mut errors);
        if self.local {
            let namespace = resource.at("namespace");
            if resource.exists() && namespace.str() != metadata.at("namespace").str() {
                errors.push(namespace.invalid_value(namespace.str(), "must match metadata.namespace"));
            }
            if other.exists() {
                let detail = "disallowed on this kind of request";
                errors.push(other.invalid_struct(NON_RESOURCE, detail));
            }
        }
        errors
    }
}

impl AccessReview {
    /// A question has no name, no labels, nothing: it is not stored. Who owns its fields is written down all the same.
    fn validate_metadata(&self, metadata: &At, errors: &mut ErrorList) {
        let known: &[&str] = if self.local { &["managedFields", "namespace"] } else { &["managedFields"] };
        let given = |(field, value): (&String, &Value)| !known.contains(&field.as_str()) && !value.is_null();
        if metadata.map().is_some_and(|map| map.iter().any(given)) {
            let detail = if self.local { "must be empty except for namespace" } else { "must be empty" };
            errors.push(metadata.invalid_struct(METADATA, detail));
        }
    }
}

/// A selector is either raw or parsed. Operators may be newer than this server.
fn validate_selectors(resource: &At, errors: &mut ErrorList) {
    for field in ["fieldSelector", "labelSelector"] {
        let selector = resource.at(field);
        if !selector.exists() {
            continue;
        }
        let (raw, parsed) = (selector.at("rawSelector"), selector.at("requirements"));
        if !raw.is_empty() && !parsed.is_empty() {
            let detail = "may not specified at the same time as requirements";
            errors.push(raw.invalid(detail));
        }
        if raw.is_empty() && parsed.is_empty() {
            let detail = format!("when {} is specified, requirements or rawSelector is required", selector.path());
            errors.push(parsed.required(&detail));
        }
        let of_labels = field == "labelSelector";
        parsed.items().for_each(|one| validate_requirement(&one, of_labels, errors));
    }
}

/// `ValidateLabelSelectorRequirement` and `ValidateFieldSelectorRequirement`
fn validate_requirement(requirement: &At, of_labels: bool, errors: &mut ErrorList) {
    let (key, values) = (requirement.at("key"), requirement.at("values"));
    if !of_labels && key.is_empty() {
        errors.push(key.required("must be specified"));
    }
    match requirement.at("operator").str() {
        "In" | "NotIn" if values.is_empty() => {
            errors.push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            errors.push(values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        }
        _ => {}
    }
    if of_labels {
        validate_label_name(&key, errors);
        values.items().for_each(|value| value.check(errors, names::label_value));
    }
}

/// The strategy of `SelfSubjectRulesReview`.
#[derive(Debug)]
pub(crate) struct RulesReview;

impl Strategy for RulesReview {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let review = At::root(object);
        let spec = review.at("spec");
        if spec.at("namespace").is_empty() {
            errors.push(spec.at("namespace").required("no namespace on request"));
        }
        errors
    }
}
