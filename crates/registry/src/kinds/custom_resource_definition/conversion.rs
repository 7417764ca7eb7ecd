//! `validateCustomResourceConversion`

use super::spec::enumerated;
use crate::At;
use crate::kinds::certificate_request::pem;
use crate::kinds::webhook_client;
use crate::names::dns1035_label;
use api::field::ErrorList;

/// The versions of ConversionReview that upstream speaks.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// What is wrong with `conversion`. Upstream's internal form has the webhook's two members beside the strategy.
pub(super) fn validate(conversion: &At<'_, '_>, checks_bundle: bool, errors: &mut ErrorList) {
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
    } else {
        webhook_client::validate(&client, errors);
        let bundle = client.at("caBundle");
        if checks_bundle
            && !bundle.is_empty()
            && let Err(why) = pem::check_authorities(bundle.str())
        {
            errors.push(bundle.invalid(why));
        }
    }
    validate_review_versions(&versions, errors);
}

/// Whether a definition that is in use may not get a bundle which nobody can read: unless it has had one.
pub(super) fn checks_bundle(stored: &At<'_, '_>) -> bool {
    let bundle = stored.at("spec").at("conversion").at("webhook").at("clientConfig").at("caBundle").str();
    bundle.is_empty() || pem::check_authorities(bundle).is_ok()
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
        version.check(errors, dns1035_label);
    }
    if !names.iter().any(|name| REVIEW_VERSIONS.contains(name)) {
        errors.push(versions.invalid(format!("must include at least one of {}", REVIEW_VERSIONS.join(", "))));
    }
}
