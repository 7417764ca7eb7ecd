//! ValidatingWebhookConfiguration and MutatingWebhookConfiguration.

use super::{FAILURE_POLICIES, MATCH_POLICIES, Phase, REINVOCATION_POLICIES, conditions, defaults, matching};
use crate::kinds::webhook_client;
use crate::object::children;
use crate::{At, Strategy, Update, names};
use api::field::ErrorList;
use serde_json::Value;
use std::collections::BTreeSet;

const MAX_TIMEOUT_SECONDS: i64 = 30;
/// What v1 takes; v1beta1 took more.
const SIDE_EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];
/// The versions of AdmissionReview that upstream speaks.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// The strategy of both.
#[derive(Debug)]
pub(crate) struct WebhookConfiguration(pub(crate) Phase);

impl Strategy for WebhookConfiguration {
    fn default(&self, object: &mut Value) {
        let Value::Object(configuration) = object else { return };
        for webhook in children(configuration, "webhooks") {
            defaults::webhook(webhook, self.0 == Phase::Mutating);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut seen = BTreeSet::new();
        for webhook in At::root(object).at("webhooks").items() {
            self.webhook(&webhook, &mut errors);
            let versions = webhook.at("admissionReviewVersions");
            review_versions(&versions, &mut errors);
            let name = webhook.at("name");
            if !name.is_empty() && !seen.insert(name.str()) {
                errors.push(name.duplicate());
            }
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        self.validate(update.new)
    }

    fn is_new_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("webhooks") != old.get("webhooks")
    }
}

impl WebhookConfiguration {
    fn webhook(&self, webhook: &At, errors: &mut ErrorList) {
        fully_qualified(&webhook.at("name"), errors);
        webhook.at("rules").items().for_each(|rule| matching::rule(&rule, errors));
        webhook.at("failurePolicy").one_of(errors, &FAILURE_POLICIES);
        webhook.at("matchPolicy").one_of(errors, &MATCH_POLICIES);
        let effects = webhook.at("sideEffects");
        if effects.exists() {
            effects.one_of(errors, &SIDE_EFFECTS);
        } else {
            errors.push(effects.required(&format!("must specify one of {}", SIDE_EFFECTS.join(", "))));
        }
        let timeout = webhook.at("timeoutSeconds");
        if timeout.int().is_some_and(|seconds| !(1..=MAX_TIMEOUT_SECONDS).contains(&seconds)) {
            let words = format!("the timeout value must be between 1 and {MAX_TIMEOUT_SECONDS} seconds");
            errors.push(timeout.invalid(words));
        }
        matching::selector(&webhook.at("namespaceSelector"), errors);
        matching::selector(&webhook.at("objectSelector"), errors);
        if self.0 == Phase::Mutating {
            webhook.at("reinvocationPolicy").one_of(errors, &REINVOCATION_POLICIES);
        }
        webhook_client::validate(&webhook.at("clientConfig"), errors);
        conditions::validate(&webhook.at("matchConditions"), false, errors);
    }
}

/// `IsFullyQualifiedName`
fn fully_qualified(name: &At, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.push(name.required(""));
        return;
    }
    let wrong = names::dns1123_subdomain(name.str());
    if !wrong.is_empty() {
        errors.push(name.invalid(wrong.join(",")));
    } else if name.str().split('.').count() < 3 {
        errors.push(name.invalid("should be a domain with at least three segments separated by dots"));
    }
}

/// `validateAdmissionReviewVersions`
fn review_versions(versions: &At, errors: &mut ErrorList) {
    if versions.is_empty() {
        errors.push(versions.required(&format!("must specify one of {}", REVIEW_VERSIONS.join(", "))));
        return;
    }
    let mut seen = BTreeSet::new();
    for version in versions.items() {
        if !seen.insert(version.str()) {
            errors.push(version.invalid("duplicate version"));
            continue;
        }
        version.check(errors, names::dns1035_label);
    }
    if !versions.strings().any(|version| REVIEW_VERSIONS.contains(&version)) {
        errors.push(versions.invalid(format!("must include at least one of {}", REVIEW_VERSIONS.join(", "))));
    }
}
