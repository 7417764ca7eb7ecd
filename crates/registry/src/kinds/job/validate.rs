//! Validation of jobs (`k8s.io/kubernetes/pkg/apis/batch/validation`).

use super::failure_policy::validate_failure_policy;
use super::success_policy::validate_success_policy;
use super::{MANY_COMPLETIONS, MUCH_PARALLELISM, NAME_LABEL, OLD_NAME_LABEL, OLD_UID_LABEL, UID_LABEL};
use crate::At;
use crate::kinds::domain_path::validate_domain_prefixed_path;
use crate::labels::{LABEL_SELECTOR, selector_matches, validate_label_selector};
use crate::object::validate_immutable;
use crate::pod::validate_pod_template;
use api::field::{Error, ErrorList};
use serde_json::{Map, Value};

/// Pods that an Indexed job may run at once.
const MAX_INDEXED_PARALLELISM: i64 = 100_000;
/// Failed indexes that the status can list, and so many where there are many completions.
const MAX_FAILED_INDEXES: i64 = 100_000;
const MANY_FAILED_INDEXES: i64 = 10_000;
/// The longest name of a controller, in bytes.
const MAX_MANAGED_BY_BYTES: usize = 63;

/// `ValidateJob`
pub(super) fn validate_job(job: &At, prefixed: bool, errors: &mut ErrorList) {
    validate_generated_selector(job, prefixed, errors);
    let spec = job.at("spec");
    validate_job_spec(&spec, errors);
    validate_selector(&spec, errors);
    validate_hostnames(job, errors);
}

/// `validateGeneratedSelector`. Jobs of old have no labels with a prefix.
fn validate_generated_selector(job: &At, prefixed: bool, errors: &mut ErrorList) {
    let (spec, metadata) = (job.at("spec"), job.at("metadata"));
    let (selector, uid, name) = (spec.at("selector"), metadata.at("uid"), metadata.at("name"));
    if spec.at("manualSelector").bool() || !selector.exists() || uid.is_empty() {
        return;
    }
    let template = spec.at("template");
    let template_metadata = template.at("metadata");
    let labels = template_metadata.at("labels");
    let own =
        [(OLD_UID_LABEL, uid.str()), (OLD_NAME_LABEL, name.str()), (UID_LABEL, uid.str()), (NAME_LABEL, name.str())];
    let own = if prefixed { &own[..] } else { &own[..2] };
    for (label, value) in own {
        let at = labels.key(label);
        if !at.exists() {
            errors.push(at.required(&format!("must be '{value}'")));
        } else if at.str() != *value {
            let labels = labels.value().cloned().unwrap_or(Value::Null);
            errors.push(Error::invalid(&at.path(), labels, format!("must be '{value}'")));
        }
    }
    let own: Map<String, Value> = own.iter().map(|(label, value)| ((*label).to_owned(), (*value).into())).collect();
    if selector.value().is_some_and(|selector| !selector_matches(selector, &own.into())) {
        errors.push(selector.invalid_struct(LABEL_SELECTOR, "`selector` not auto-generated"));
    }
}

/// The pods of an Indexed job are called by the job's name and their index on the network: the longest must be a label.
fn validate_hostnames(job: &At, errors: &mut ErrorList) {
    let (spec, metadata) = (job.at("spec"), job.at("metadata"));
    let completions = spec.at("completions").int().unwrap_or(0);
    if spec.at("completionMode").str() != "Indexed" || completions <= 0 {
        return;
    }
    let name = metadata.at("name");
    let last = format!("{}-{}", name.str(), completions - 1);
    if !crate::names::dns1123_label(&last).is_empty() {
        errors.push(name.invalid(format!("will not able to create pod with invalid DNS label: {last}")));
    }
}

/// The selector must select the job's own pods.
pub(super) fn validate_selector(spec: &At, errors: &mut ErrorList) {
    let selector = spec.at("selector");
    if selector.exists() {
        validate_label_selector(&selector, errors);
    } else {
        errors.push(selector.required(""));
    }
    let template = spec.at("template");
    let metadata = template.at("metadata");
    let labels = metadata.at("labels");
    // None selects nothing.
    let selected = |selector| selector_matches(selector, labels.value().unwrap_or(&Value::Null));
    if !selector.value().is_some_and(selected) {
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
    if spec.at("maxFailedIndexes").exists() && !spec.at("backoffLimitPerIndex").exists() {
        errors.push(spec.at("backoffLimitPerIndex").required("when maxFailedIndexes is specified"));
    }
    let manager = spec.at("managedBy");
    if manager.exists() {
        validate_domain_prefixed_path(&manager, errors);
        if manager.len() > MAX_MANAGED_BY_BYTES {
            errors.push(manager.too_long(MAX_MANAGED_BY_BYTES));
        }
    }
    spec.at("completionMode").one_of(errors, &["NonIndexed", "Indexed"]);
    match spec.at("completionMode").str() {
        "Indexed" => validate_indexed(spec, errors),
        "NonIndexed" | "" => {
            for at in [spec.at("backoffLimitPerIndex"), spec.at("maxFailedIndexes")].iter().filter(|at| at.exists()) {
                errors.push(at.invalid("requires indexed completion mode"));
            }
        }
        _ => {}
    }
    let policy = spec.at("podFailurePolicy");
    if policy.exists() {
        validate_failure_policy(spec, &policy, errors);
    }
    validate_success_policy(spec, errors);
    let replacement = spec.at("podReplacementPolicy");
    if policy.exists() {
        replacement.one_of(errors, &["Failed"]);
    } else {
        replacement.one_of(errors, &["Failed", "TerminatingOrFailed"]);
    }
    validate_template(spec, errors);
}

/// The template, whose pods must end.
fn validate_template(spec: &At, errors: &mut ErrorList) {
    let template = spec.at("template");
    validate_pod_template(&template, errors);
    let template_spec = template.at("spec");
    let restart = template_spec.at("restartPolicy");
    match restart.str() {
        "Always" | "" => errors.push(restart.required("valid values: \"OnFailure\", \"Never\"")),
        "OnFailure" if spec.at("podFailurePolicy").exists() => {
            errors.push(restart.invalid("only \"Never\" is supported when podFailurePolicy is specified"));
        }
        "OnFailure" | "Never" => {}
        _ => errors.push(restart.not_supported(&["OnFailure", "Never"])),
    }
}

/// What holds of Indexed jobs alone: the indexes must fit into the status.
fn validate_indexed(spec: &At, errors: &mut ErrorList) {
    let (completions, parallelism) = (spec.at("completions"), spec.at("parallelism"));
    let (per_index, most) = (spec.at("backoffLimitPerIndex"), spec.at("maxFailedIndexes"));
    if !completions.exists() {
        errors.push(completions.required("when completion mode is Indexed"));
    }
    let above = |at: &At, limit: i64| at.int().is_some_and(|n| n > limit);
    if above(&parallelism, MAX_INDEXED_PARALLELISM) {
        let detail = format!("must be less than or equal to {MAX_INDEXED_PARALLELISM} when completion mode is Indexed");
        errors.push(parallelism.invalid(detail));
    }
    if completions.int().is_some_and(|completions| above(&most, completions)) {
        errors.push(most.invalid("must be less than or equal to completions"));
    }
    if above(&most, MAX_FAILED_INDEXES) {
        errors.push(most.invalid(format!("must be less than or equal to {MAX_FAILED_INDEXES}")));
    }
    if !above(&completions, MANY_COMPLETIONS) || !per_index.exists() {
        return;
    }
    if !most.exists() {
        errors.push(most.required(&format!("must be specified when completions is above {MANY_COMPLETIONS}")));
    }
    for (at, limit) in [(parallelism, MUCH_PARALLELISM), (most, MANY_FAILED_INDEXES)] {
        if above(&at, limit) {
            let when = format!("when completions are above {MANY_COMPLETIONS} and used with backoff limit per index");
            errors.push(at.invalid(format!("must be less than or equal to {limit} {when}")));
        }
    }
}

/// Completions of an Indexed job may change together with its parallelism (KEP-3715).
pub(super) fn validate_completions(spec: &At, old_spec: &At, errors: &mut ErrorList) {
    let (new, old) = (spec.at("completions"), old_spec.at("completions"));
    if spec.at("completionMode").str() != "Indexed" {
        validate_immutable(&new, &old, errors);
    } else if new.exists() && new.value() != old.value() && new.value() != spec.at("parallelism").value() {
        errors.push(new.invalid("can only be modified in tandem with spec.parallelism"));
    }
}
