//! Where a webhook is: the `clientConfig` of admission webhooks and of conversions
//! (`k8s.io/apiserver/pkg/util/webhook/validation.go`).

use crate::{At, go_url, names};
use api::field::ErrorList;

const FORM: &str = "; desired format: https://host[/path]";

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

/// `ValidateWebhookURL`
fn validate_url(at: &At<'_, '_>, errors: &mut ErrorList) {
    let url = match go_url::parse(at.str()) {
        Ok(url) => url,
        Err(why) => {
            errors.push(at.required(&format!("url must be a valid URL: {why}{FORM}")));
            return;
        }
    };
    if url.scheme != "https" {
        errors.push(at.invalid_value(url.scheme, format!("'https' is the only allowed URL scheme{FORM}")));
    }
    if url.host.is_empty() {
        errors.push(at.invalid_value("", format!("host must be specified{FORM}")));
    }
    if let Some(user) = url.user {
        errors.push(at.invalid_value(user, "user information is not permitted in the URL"));
    }
    if !url.fragment.is_empty() {
        errors.push(at.invalid_value(url.fragment, "fragments are not permitted in the URL"));
    }
    if !url.query.is_empty() {
        errors.push(at.invalid_value(url.query, "query parameters are not permitted in the URL"));
    }
}

/// `ValidateWebhookService`. Its callers hand in name and namespace the wrong way round, so that each is reported under
/// the other's name.
fn validate_service(service: &At<'_, '_>, errors: &mut ErrorList) {
    for (field, reported) in [("namespace", "name"), ("name", "namespace")] {
        if service.at(field).is_empty() {
            errors.push(service.at(reported).required(""));
        }
    }
    let port = service.at("port");
    let number = port.int().unwrap_or(0);
    let wrong = names::port_number(number);
    if !wrong.is_empty() {
        errors.push(port.invalid_value(number, format!("port is not valid: {}", wrong.join(", "))));
    }
    validate_path(&service.at("path"), errors);
}

/// A path of which each segment could be a name.
fn validate_path(path: &At<'_, '_>, errors: &mut ErrorList) {
    let text = path.str();
    if matches!(text, "" | "/") {
        return;
    }
    if text == "//" {
        errors.push(path.invalid("segment[0] may not be empty"));
        return;
    }
    if !text.starts_with('/') {
        errors.push(path.invalid("must start with a '/'"));
    }
    // The first character goes whatever it is, as upstream's does.
    let segments = text.get(1..).unwrap_or_default();
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    for (index, segment) in segments.split('/').enumerate() {
        if segment.is_empty() {
            errors.push(path.invalid(format!("segment[{index}] may not be empty")));
            continue;
        }
        let wrong = names::dns1123_subdomain(segment).into_iter();
        errors.extend(wrong.map(|why| path.invalid(format!("segment[{index}]: {why}"))));
    }
}
