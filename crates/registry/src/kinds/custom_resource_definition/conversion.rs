//! `validateCustomResourceConversion`

use super::spec::enumerated;
use crate::At;
use crate::names::dns1035_label;
use api::field::ErrorList;

/// The versions of ConversionReview that upstream speaks.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// What is wrong with `conversion`. Upstream's internal form has the webhook's two members beside the strategy.
pub(super) fn validate(conversion: &At<'_, '_>, errors: &mut ErrorList) {
    if !conversion.exists() {
        return;
    }
    enumerated(&conversion.at("strategy"), &["None", "Webhook"], errors);
    let webhook = conversion.at("webhook");
    let client = conversion.elsewhere("webhookClientConfig", webhook.at("clientConfig").value());
    let versions = conversion.elsewhere("conversionReviewVersions", webhook.at("conversionReviewVersions").value());
    if conversion.at("strategy").str() != "Webhook" {
        let words = "should not be set when strategy is not set to Webhook";
        if client.exists() {
            errors.push(client.forbidden(words));
        }
        if !versions.is_empty() {
            errors.push(versions.forbidden(words));
        }
        return;
    }
    if !client.exists() {
        errors.push(client.required("required when strategy is set to Webhook"));
    } else if client.at("url").exists() == client.at("service").exists() {
        errors.push(client.required("exactly one of url or service is required"));
    } else if client.at("url").exists() {
        validate_url(&client.at("url"), errors);
    } else {
        validate_service(&client.at("service"), errors);
    }
    validate_review_versions(&versions, errors);
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

fn validate_review_versions(versions: &At<'_, '_>, errors: &mut ErrorList) {
    if versions.is_empty() {
        errors.push(versions.required(""));
        return;
    }
    let names: Vec<&str> = versions.strings().collect();
    for (at, version) in versions.items().enumerate() {
        if names[..at].contains(&version.str()) {
            errors.push(version.invalid("duplicate version"));
            continue;
        }
        let wrong = dns1035_label(version.str());
        if !wrong.is_empty() {
            errors.push(version.invalid(wrong.join(",")));
        }
    }
    if !names.iter().any(|name| REVIEW_VERSIONS.contains(name)) {
        errors.push(versions.invalid(format!("must include at least one of {}", REVIEW_VERSIONS.join(", "))));
    }
}
