//! Where a webhook is: the `clientConfig` of admission webhooks and of conversions
//! (`k8s.io/apiserver/pkg/util/webhook/validation.go`).

use crate::At;
use api::field::ErrorList;

/// Exactly one of `url` and `service`, and that one well-formed.
pub(super) fn validate(client: &At, errors: &mut ErrorList) {
    let (url, service) = (client.at("url"), client.at("service"));
    if url.exists() == service.exists() {
        errors.push(client.required("exactly one of url or service is required"));
    } else if url.exists() {
        validate_url(&url, errors);
    } else {
        validate_service(&service, errors);
    }
}

fn validate_url(url: &At<'_, '_>, errors: &mut ErrorList) {
    const FORM: &str = "; desired format: https://host[/path]";
    let Some((scheme, rest)) = url.str().split_once("://") else {
        errors.push(url.required(&format!("url must be a valid URL{FORM}")));
        return;
    };
    if scheme != "https" {
        errors.push(url.invalid_value(scheme, format!("'https' is the only allowed URL scheme{FORM}")));
    }
    if rest.split('/').next().unwrap_or_default().is_empty() {
        errors.push(url.invalid_value("", format!("host must be specified{FORM}")));
    }
    for (mark, words) in [
        ('@', "user information is not permitted in the URL"),
        ('#', "fragments are not permitted in the URL"),
        ('?', "query parameters are not permitted in the URL"),
    ] {
        if let Some((_, after)) = rest.split_once(mark) {
            errors.push(url.invalid_value(after, words));
        }
    }
}

fn validate_service(service: &At<'_, '_>, errors: &mut ErrorList) {
    let required = |field: &str| format!("service {field} is required");
    for field in ["name", "namespace"] {
        if service.at(field).is_empty() {
            errors.push(service.at(field).required(&required(field)));
        }
    }
    if service.at("port").int().is_some_and(|port| !(1..=65_535).contains(&port)) {
        let wrong = crate::names::inclusive_range(1, 65_535);
        errors.push(service.at("port").invalid(format!("port is not valid: {wrong}")));
    }
    let path = service.at("path");
    if path.exists() && !path.str().starts_with('/') {
        errors.push(path.invalid("must start with a '/'"));
    }
}
