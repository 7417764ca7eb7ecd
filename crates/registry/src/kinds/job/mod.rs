//! Jobs, and the job templates of cron jobs.

mod failure_policy;
mod indexes;
mod status;
mod success_policy;
mod template;
mod validate;

pub(super) use validate::validate_job_spec;

use crate::labels::LABEL_SELECTOR;
use crate::object::{
    child, child_or_new, children, default, reset_status, str_at, validate_immutable, validate_immutable_struct,
};
use crate::pod::{default_pod_template, is_changed, owner_name_warnings, template_warnings};
use crate::{At, GarbageCollection, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The labels that tie pods to their job: by uid and by name, new and old.
const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
const OLD_UID_LABEL: &str = "controller-uid";
const NAME_LABEL: &str = "batch.kubernetes.io/job-name";
const OLD_NAME_LABEL: &str = "job-name";

/// The strategy of jobs.
#[derive(Debug)]
pub(crate) struct Job;

impl Strategy for Job {
    fn default(&self, object: &mut Value) {
        let Value::Object(job) = object else { return };
        default_job_spec(child_or_new(job, "spec"));
        label_like_template(job);
    }

    /// Unless told otherwise a job selects its pods by its own uid, which the generic path has set by now. Labels that are
    /// there already stay: validation says that they are wrong.
    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({}));
        let Value::Object(job) = object else { return };
        let text = |field: &str| {
            let value = job.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let (uid, name) = (text("uid"), text("name"));
        let spec = child_or_new(job, "spec");
        if !spec.get("manualSelector").and_then(Value::as_bool).unwrap_or(false) && !uid.is_empty() {
            let labels = child_or_new(child_or_new(child_or_new(spec, "template"), "metadata"), "labels");
            for (label, value) in
                [(UID_LABEL, &uid), (OLD_UID_LABEL, &uid), (NAME_LABEL, &name), (OLD_NAME_LABEL, &name)]
            {
                labels.entry(label).or_insert_with(|| value.as_str().into());
            }
            let selector = child_or_new(child_or_new(spec, "selector"), "matchLabels");
            selector.entry(UID_LABEL).or_insert_with(|| uid.into());
        }
    }

    fn read_back(&self, object: &mut Value) {
        let Value::Object(job) = object else { return };
        label_like_template(job);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate::validate_job(&At::root(object), true, &mut errors);
        errors
    }

    /// An update is also looked at as a new job would be, but for labels that jobs of old do not have.
    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let (new, old) = (At::root(update.new), At::root(update.old));
        if update.subresource == Some(Subresource::Status) {
            return status::validate_status(&new, &old);
        }
        let mut errors = ErrorList::new();
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        validate::validate_job(&new, has_prefixed_labels(&old_spec), &mut errors);
        validate_job_spec(&spec, &mut errors);
        validate::validate_selector(&spec, &mut errors);
        validate::validate_completions(&spec, &old_spec, &mut errors);
        validate_immutable_struct(&spec.at("selector"), &old_spec.at("selector"), LABEL_SELECTOR, &mut errors);
        template::validate_kept(&spec, &old, &mut errors);
        let fixed = |field, errors: &mut _| validate_immutable(&spec.at(field), &old_spec.at(field), errors);
        let policy = |field, definition, errors: &mut _| {
            validate_immutable_struct(&spec.at(field), &old_spec.at(field), definition, errors);
        };
        fixed("completionMode", &mut errors);
        policy("podFailurePolicy", "io.k8s.api.batch.v1.PodFailurePolicy", &mut errors);
        fixed("backoffLimitPerIndex", &mut errors);
        fixed("managedBy", &mut errors);
        policy("successPolicy", "io.k8s.api.batch.v1.SuccessPolicy", &mut errors);
        errors
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        let mut warnings = if old.is_none() { owner_name_warnings(new) } else { Vec::new() };
        if is_changed(new, old) {
            warnings.extend(job_warnings(&At::root(new).at("spec")));
        }
        warnings
    }

    fn garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Orphan
    }

    fn warnings_on_delete(&self) -> Vec<String> {
        let warning = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";
        vec![warning.to_owned()]
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let succeeded = At::root(object).at("status").at("succeeded").int().unwrap_or(0);
        vec![("status.successful".into(), succeeded.to_string())]
    }
}

/// Whether the pods of a job carry the labels that Kubernetes' own prefix marks.
fn has_prefixed_labels(spec: &At) -> bool {
    let template = spec.at("template");
    let metadata = template.at("metadata");
    let labels = metadata.at("labels");
    labels.key(UID_LABEL).exists() && labels.key(NAME_LABEL).exists()
}

/// Above these, indexes that fail may be too many to be written down.
const MANY_COMPLETIONS: i64 = 100_000;
const MUCH_PARALLELISM: i64 = 10_000;

/// `WarningsForJobSpec`
pub(super) fn job_warnings(spec: &At) -> Vec<String> {
    let mut warnings = Vec::new();
    let number = |field: &str| spec.at(field).int().unwrap_or(0);
    let is_indexed = spec.at("completionMode").str() == "Indexed";
    if is_indexed && number("completions") > MANY_COMPLETIONS && number("parallelism") > MUCH_PARALLELISM {
        let why = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail";
        warnings.push(format!("{}: {why}", spec.path()));
    }
    warnings.extend(template_warnings(&spec.at("template")));
    warnings
}

/// A job without labels gets those of its pods.
fn label_like_template(job: &mut Map<String, Value>) {
    let labels = job.get("spec").and_then(|s| s.get("template")?.get("metadata")?.get("labels")).cloned();
    let Some(labels) = labels.filter(|labels| labels.as_object().is_some_and(|map| !map.is_empty())) else {
        return;
    };
    let metadata = child_or_new(job, "metadata");
    if metadata.get("labels").and_then(Value::as_object).is_none_or(Map::is_empty) {
        metadata.insert("labels".to_owned(), labels);
    }
}

fn default_job_spec(spec: &mut Map<String, Value>) {
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        default(spec, "completions", 1);
    }
    default(spec, "parallelism", 1);
    let backoff = if spec.contains_key("backoffLimitPerIndex") { i64::from(i32::MAX) } else { 6 };
    default(spec, "backoffLimit", backoff);
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "manualSelector", false);
    let replacement = if spec.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    default(spec, "podReplacementPolicy", replacement);
    default_job_template_parts(spec);
}

/// What a job template in a cron job gets too; the rest is filled in when the job is made.
pub(super) fn default_job_template_parts(spec: &mut Map<String, Value>) {
    if let Some(policy) = child(spec, "podFailurePolicy") {
        for rule in children(policy, "rules") {
            for condition in children(rule, "onPodConditions") {
                if str_at(condition, "status").is_empty() {
                    condition.insert("status".to_owned(), "True".into());
                }
            }
        }
    }
    default_pod_template(child_or_new(spec, "template"));
}
