//! Reviews: questions that are answered, not stored (`k8s.io/kubernetes/pkg/apis/authorization/validation`).

use crate::{At, Strategy};
use api::field::ErrorList;
use serde_json::Value;

/// What a question about a path is printed as.
const NON_RESOURCE: &str = "io.k8s.api.authorization.v1.NonResourceAttributes";

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
        if self.local {
            let metadata = review.at("metadata");
            let namespace = resource.at("namespace");
            if resource.exists() && namespace.str() != metadata.at("namespace").str() {
                errors.push(namespace.invalid_value(namespace.str(), "must match metadata.namespace"));
            }
            if other.exists() {
                let detail = "disallowed on this kind of request";
                errors.push(other.invalid_struct(NON_RESOURCE, detail));
            }
        }
        validate_selectors(&resource, &mut errors);
        errors
    }
}

/// A selector is either raw or parsed.
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
            let detail = format!("when {}, requirements or rawSelector is required", selector.path());
            errors.push(parsed.required(&detail));
        }
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
