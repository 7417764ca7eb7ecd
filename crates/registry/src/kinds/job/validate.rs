//! Validation of jobs (`k8s.io/kubernetes/pkg/apis/batch/validation`).

use super::failure_policy::validate_failure_policy;
use super::{NAME_LABEL, OLD_NAME_LABEL, OLD_UID_LABEL, UID_LABEL};
use crate::At;
use crate::labels::{LABEL_SELECTOR, selector_matches, validate_label_selector};
use crate::pod::validate_pod_template;
use api::field::{Error, ErrorList};
use serde_json::Value;

/// Pods that an Indexed job may run at once.
const MAX_INDEXED_PARALLELISM: i64 = 100_000;
/// Failed indexes that the status can list.
const MAX_FAILED_INDEXES: i64 = 100_000;

/// `ValidateGeneratedSelector`
pub(super) fn validate_generated_selector(job: &At, errors: &mut ErrorList) {
    let (spec, metadata) = (job.at("spec"), job.at("metadata"));
    if spec.at("manualSelector").bool() || !spec.at("selector").exists() {
        return;
    }
    let uid = metadata.at("uid");
    if uid.is_empty() {
        return;
    }
    let template = spec.at("template");
    let template_metadata = template.at("metadata");
    let labels = template_metadata.at("labels");
    let own = [
        (OLD_UID_LABEL, uid.str()),
        (UID_LABEL, uid.str()),
        (OLD_NAME_LABEL, metadata.at("name").str()),
        (NAME_LABEL, metadata.at("name").str()),
    ];
    for (label, value) in own {
        let at = labels.key(label);
        if !at.exists() {
            errors.push(at.required(&format!("must be '{value}'")));
        } else if at.str() != value {
            let labels = labels.value().cloned().unwrap_or(Value::Null);
            errors.push(Error::invalid(&at.path(), labels, format!("must be '{value}'")));
        }
    }
    let selector = spec.at("selector");
    let exact = selector.at("matchLabels");
    let generated = exact.len() == 1 && exact.key(UID_LABEL).str() == uid.str();
    if !generated || !selector.at("matchExpressions").is_empty() {
        errors.push(selector.invalid_struct(LABEL_SELECTOR, "`selector` not auto-generated"));
    }
}

/// The selector must select the job's own pods.
pub(super) fn validate_selector(spec: &At, errors: &mut ErrorList) {
    let selector = spec.at("selector");
    if !selector.exists() {
        errors.push(selector.required(""));
        return;
    }
    validate_label_selector(&selector, errors);
    let template = spec.at("template");
    let metadata = template.at("metadata");
    let labels = metadata.at("labels");
    let (Some(selector), labels_value) = (selector.value(), labels.value().unwrap_or(&Value::Null)) else {
        return;
    };
    if !selector_matches(selector, labels_value) {
        errors.push(labels.invalid("`selector` does not match template `labels`"));
    }
}

/// `validateJobSpec`, also of job templates.
pub(crate) fn validate_job_spec(spec: &At, errors: &mut ErrorList) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    counts.iter().for_each(|field| spec.at(field).nonnegative(errors));
    validate_index_limits(spec, errors);
    let manager = spec.at("managedBy");
    if manager.exists() && !manager.str().contains('/') {
        errors.push(manager.invalid("must be a domain-prefixed path (such as \"acme.io/foo\")"));
    }
    let mode = spec.at("completionMode");
    mode.one_of(errors, &["NonIndexed", "Indexed"]);
    if mode.str() == "Indexed" {
        if !spec.at("completions").exists() {
            errors.push(spec.at("completions").required("when completion mode is Indexed"));
        }
        let parallelism = spec.at("parallelism");
        if parallelism.int().is_some_and(|n| n > MAX_INDEXED_PARALLELISM) {
            let detail =
                format!("must be less than or equal to {MAX_INDEXED_PARALLELISM} when completion mode is Indexed");
            errors.push(parallelism.invalid(detail));
        }
    }
    let policy = spec.at("podFailurePolicy");
    if policy.exists() {
        validate_failure_policy(spec, &policy, errors);
    }
    let replacement = spec.at("podReplacementPolicy");
    if policy.exists() && replacement.exists() {
        replacement.one_of(errors, &["Failed"]);
    } else {
        replacement.one_of(errors, &["Failed", "TerminatingOrFailed"]);
    }
    let template = spec.at("template");
    validate_pod_template(&template, errors);
    let template_spec = template.at("spec");
    let restart = template_spec.at("restartPolicy");
    if !matches!(restart.str(), "OnFailure" | "Never") {
        errors.push(restart.required("valid values: \"OnFailure\", \"Never\""));
    } else if policy.exists() && restart.str() != "Never" {
        errors.push(restart.invalid("only \"Never\" is supported when podFailurePolicy is specified"));
    }
}

fn validate_index_limits(spec: &At, errors: &mut ErrorList) {
    let indexed = spec.at("completionMode").str() == "Indexed";
    let (per_index, most) = (spec.at("backoffLimitPerIndex"), spec.at("maxFailedIndexes"));
    if per_index.exists() && !indexed {
        errors.push(per_index.invalid("requires indexed completion mode"));
    }
    if let Some(limit) = most.int() {
        if spec.at("completions").int().is_some_and(|completions| limit > completions) {
            errors.push(most.invalid("must be less than or equal to completions"));
        }
        if limit > MAX_FAILED_INDEXES {
            errors.push(most.invalid(format!("must be less than or equal to {MAX_FAILED_INDEXES}")));
        }
        if !per_index.exists() {
            errors.push(per_index.required("when maxFailedIndexes is specified"));
        }
    }
}

/// Counts of a status.
pub(super) fn validate_status(job: &At) -> ErrorList {
    let mut errors = ErrorList::new();
    let status = job.at("status");
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        status.at(field).nonnegative(&mut errors);
    }
    errors
}
