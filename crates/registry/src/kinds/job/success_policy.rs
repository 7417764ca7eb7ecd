//! Success policies of jobs (KEP-3998): when enough indexes have succeeded.

use super::indexes;
use crate::At;
use api::field::{Error, ErrorList};

const MAX_RULES: usize = 20;
/// The longest list of indexes, in bytes; that of the status may be as long.
const MAX_INDEXES_BYTES: usize = 64 * 1024;

/// `validateSuccessPolicy`, of Indexed jobs only.
pub(super) fn validate_success_policy(spec: &At, errors: &mut ErrorList) {
    let policy = spec.at("successPolicy");
    if !policy.exists() {
        return;
    }
    if spec.at("completionMode").str() != "Indexed" {
        errors.push(policy.invalid_struct("io.k8s.api.batch.v1.SuccessPolicy", "requires indexed completion mode"));
        return;
    }
    let rules = policy.at("rules");
    if rules.is_empty() {
        errors.push(rules.required("at least one rules must be specified when the successPolicy is specified"));
    }
    if rules.len() > MAX_RULES {
        errors.push(Error::too_many(&rules.path(), rules.len(), MAX_RULES));
    }
    // Without completions the job is invalid anyway, and upstream falls over here.
    let Some(completions) = spec.at("completions").int() else { return };
    rules.items().for_each(|rule| validate_rule(&rule, completions, errors));
}

fn validate_rule(rule: &At, completions: i64, errors: &mut ErrorList) {
    let (succeeded, count) = (rule.at("succeededIndexes"), rule.at("succeededCount"));
    if !succeeded.exists() && !count.exists() {
        errors.push(rule.required("at least one of succeededCount or succeededIndexes must be specified"));
    }
    let mut named = 0;
    if succeeded.exists() {
        if succeeded.len() > MAX_INDEXES_BYTES {
            errors.push(succeeded.too_long(MAX_INDEXES_BYTES));
        }
        match indexes::count(succeeded.str(), completions) {
            Ok(total) => named = total,
            Err(why) => errors.push(succeeded.invalid(format!("error parsing succeededIndexes: {why}"))),
        }
    }
    let Some(wanted) = count.int() else { return };
    count.nonnegative(errors);
    let mut limit = |most: i64, what: &str| {
        if wanted > most {
            errors.push(count.invalid(format!("must be less than or equal to {most} (the number of {what})")));
        }
    };
    limit(completions, "specified completions");
    if succeeded.exists() {
        limit(named, "indexes in the specified succeededIndexes field");
    }
}
