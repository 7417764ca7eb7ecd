//! Validation of a job's status: whoever manages the job, its status must make sense (KEP-4368).
//!
//! Most rules hold only of what changes, since a change of the spec may break them until the controller follows.

use super::indexes;
use crate::At;
use api::field::ErrorList;
use std::collections::BTreeSet;

const UNCOUNTED: &str = "io.k8s.api.batch.v1.UncountedTerminatedPods";

/// A job before and after a write of its status.
struct Change<'c, 'v> {
    new: At<'c, 'v>,
    old: At<'c, 'v>,
}

/// `ValidateJobUpdateStatus`
pub(super) fn validate_status(new: &At, old: &At) -> ErrorList {
    let mut errors = ErrorList::new();
    let change = Change { new: *new, old: *old };
    validate_counts(new, &mut errors);
    change.validate_end(&mut errors);
    change.validate_finished(&mut errors);
    change.validate_indexes(&mut errors);
    change.validate_running(&mut errors);
    validate_success(new, &mut errors);
    change.validate_transition(&mut errors);
    errors
}

/// Whether the condition is true.
fn is(job: &At, condition: &str) -> bool {
    let status = job.at("status");
    status.at("conditions").items().any(|c| c.at("type").str() == condition && c.at("status").str() == "True")
}

fn is_finished(job: &At) -> bool {
    is(job, "Complete") || is(job, "Failed")
}

fn validate_counts(job: &At, errors: &mut ErrorList) {
    let status = job.at("status");
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        status.at(field).nonnegative(errors);
    }
    let uncounted = status.at("uncountedTerminatedPods");
    let mut seen = BTreeSet::new();
    for list in ["succeeded", "failed"] {
        for uid in uncounted.at(list).items() {
            if uid.is_empty() {
                errors.push(uid.invalid("must not be empty"));
            } else if !seen.insert(uid.str()) {
                errors.push(uid.duplicate());
            }
        }
    }
}

/// `SuccessCriteriaMet` comes before `Complete`, and never with a failure.
fn validate_success(job: &At, errors: &mut ErrorList) {
    let (status, spec) = (job.at("status"), job.at("spec"));
    let conditions = status.at("conditions");
    let met = is(job, "SuccessCriteriaMet");
    if met && is(job, "Failed") {
        errors.push(conditions.wrong("cannot set SuccessCriteriaMet=True and Failed=true conditions"));
    }
    if met && is(job, "FailureTarget") {
        errors.push(conditions.wrong("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"));
    }
    if spec.at("successPolicy").exists() && !met && is(job, "Complete") {
        let why = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        errors.push(conditions.wrong(why));
    }
}

impl Change<'_, '_> {
    /// Whether the field of the status is another.
    fn of(&self, field: &str) -> bool {
        self.new.at("status").at(field).value() != self.old.at("status").at(field).value()
    }

    /// Whether the condition has become true or is it no longer.
    fn of_condition(&self, condition: &str) -> bool {
        is(&self.new, condition) != is(&self.old, condition)
    }

    fn of_finished(&self) -> bool {
        is_finished(&self.new) != is_finished(&self.old)
    }

    /// What goes with the conditions that end a job.
    fn validate_end(&self, errors: &mut ErrorList) {
        let status = self.new.at("status");
        let (conditions, start, end) = (status.at("conditions"), status.at("startTime"), status.at("completionTime"));
        let (complete, failed) = (is(&self.new, "Complete"), is(&self.new, "Failed"));
        let (completed, targeted) = (self.of_condition("Complete"), self.of_condition("FailureTarget"));
        let failing = self.of_condition("Failed");
        if (completed || failing) && complete && failed {
            errors.push(conditions.wrong("cannot set Complete=True and Failed=true conditions"));
        }
        if (completed || targeted) && complete && is(&self.new, "FailureTarget") {
            errors.push(conditions.wrong("cannot set Complete=True and FailureTarget=true conditions"));
        }
        let ended = completed || self.of("completionTime");
        if ended && end.exists() && !complete {
            errors.push(end.invalid("cannot set completionTime when there is no Complete=True condition"));
        }
        if ended && !end.exists() && complete {
            errors.push(end.required("completionTime is required for Complete jobs"));
        }
        // Times are in UTC and of one length.
        let timed = self.of("startTime") || self.of("completionTime");
        if timed && start.exists() && end.exists() && end.str() < start.str() {
            errors.push(end.invalid("completionTime cannot be set before startTime"));
        }
        if (failing || targeted) && failed && !is(&self.new, "FailureTarget") {
            let why = "cannot set Failed=True condition without the FailureTarget=true condition";
            errors.push(conditions.wrong(why));
        }
        let met = self.of_condition("SuccessCriteriaMet");
        if (completed || met) && complete && !is(&self.new, "SuccessCriteriaMet") {
            let why = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
            errors.push(conditions.wrong(why));
        }
    }

    /// A job that is finished has started, and nothing is left to do.
    fn validate_finished(&self, errors: &mut ErrorList) {
        if !is_finished(&self.new) {
            return;
        }
        let status = self.new.at("status");
        let (active, start) = (status.at("active"), status.at("startTime"));
        let uncounted = status.at("uncountedTerminatedPods");
        if (self.of_finished() || self.of("active")) && active.int().is_some_and(|n| n > 0) {
            errors.push(active.invalid("active>0 is invalid for finished job"));
        }
        if (self.of_finished() || self.of("startTime")) && !start.exists() {
            errors.push(start.required("startTime is required for finished job"));
        }
        let left = uncounted.at("failed").len() + uncounted.at("succeeded").len();
        if (self.of_finished() || self.of("uncountedTerminatedPods")) && left > 0 {
            let why = "uncountedTerminatedPods needs to be empty for finished job";
            errors.push(uncounted.invalid_struct(UNCOUNTED, why));
        }
    }

    fn validate_indexes(&self, errors: &mut ErrorList) {
        let (status, spec) = (self.new.at("status"), self.new.at("spec"));
        let (completed, failed) = (status.at("completedIndexes"), status.at("failedIndexes"));
        let completions = spec.at("completions").int();
        let per_index = spec.at("backoffLimitPerIndex").exists();
        let (of_completed, of_failed) = (self.of("completedIndexes"), self.of("failedIndexes"));
        let wrong = |at: &At| completions.and_then(|completions| indexes::count(at.str(), completions).err());
        if let Some(why) = wrong(&completed).filter(|_| of_completed) {
            errors.push(completed.invalid(format!("error parsing completedIndexes: {why}")));
        }
        if let Some(why) = wrong(&failed).filter(|_| of_failed && per_index) {
            errors.push(failed.invalid(format!("error parsing failedIndexes: {why}")));
        }
        if of_completed && !completed.is_empty() && spec.at("completionMode").str() != "Indexed" {
            let why = "cannot set non-empty completedIndexes when non-indexed completion mode";
            errors.push(completed.invalid(why));
        }
        if of_failed && failed.exists() && !per_index {
            errors.push(failed.invalid("cannot set non-null failedIndexes when backoffLimitPerIndex is null"));
        }
        let common = completions.and_then(|completions| indexes::common(completed.str(), failed.str(), completions));
        if let Some(index) = common.filter(|_| of_completed || of_failed) {
            errors.push(failed.invalid(format!("failedIndexes and completedIndexes overlap at index: {index}")));
        }
    }

    /// Pods that still run or end.
    fn validate_running(&self, errors: &mut ErrorList) {
        let status = self.new.at("status");
        let (ready, terminating) = (status.at("ready"), status.at("terminating"));
        let ending = terminating.int().is_some_and(|n| n > 0);
        if (self.of_finished() || self.of("terminating")) && ending && is_finished(&self.new) {
            errors.push(terminating.invalid("terminating>0 is invalid for finished job"));
        }
        let more = ready.int().unwrap_or(0) > status.at("active").int().unwrap_or(0);
        if (self.of("ready") || self.of("active")) && more {
            errors.push(ready.invalid("cannot set more ready pods than active"));
        }
    }

    /// `ValidateJobStatusUpdate`: there is no way back.
    fn validate_transition(&self, errors: &mut ErrorList) {
        let (status, old) = (self.new.at("status"), self.old.at("status"));
        let spec = self.new.at("spec");
        let (conditions, start, end) = (status.at("conditions"), status.at("startTime"), status.at("completionTime"));
        let lost = |condition: &str| is(&self.old, condition) && !is(&self.new, condition);
        for condition in ["Failed", "Complete", "FailureTarget"].iter().filter(|condition| lost(condition)) {
            errors.push(conditions.wrong(&format!("cannot disable the terminal {condition}=True condition")));
        }
        let count = |status: &At, field: &str| status.at(field).int().unwrap_or(0);
        let elastic = spec.at("completionMode").str() == "Indexed"
            && spec.at("completions").value() == spec.at("parallelism").value();
        for field in ["failed", "succeeded"].iter().filter(|field| **field == "failed" || !elastic) {
            let now = count(&status, field);
            if now < count(&old, field) {
                let why = format!("cannot decrease the {field} counter");
                errors.push(status.at(field).invalid_value(now, why));
            }
        }
        if end.exists() && old.at("completionTime").exists() && self.of("completionTime") {
            errors.push(end.invalid("completionTime cannot be mutated"));
        }
        if old.at("startTime").exists() && self.of("startTime") && !spec.at("suspend").bool() {
            errors.push(start.required("startTime cannot be removed for unsuspended job"));
        }
        if lost("SuccessCriteriaMet") {
            errors.push(conditions.wrong("cannot disable the SuccessCriteriaMet=True condition"));
        }
        let met_late = !is(&self.old, "SuccessCriteriaMet") && is(&self.new, "SuccessCriteriaMet");
        if is(&self.old, "Complete") && met_late {
            let why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
            errors.push(conditions.wrong(why));
        }
    }
}
