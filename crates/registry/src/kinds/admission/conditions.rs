//! `matchConditions`: expressions that decide whether a webhook or policy is asked at all.

use super::compile_trimmed;
use crate::admission::{Scope, Wanted};
use crate::{At, names};
use api::field::{Error, ErrorList};
use std::collections::BTreeSet;

const MAX_CONDITIONS: usize = 64;

/// `validateMatchConditions`
pub(super) fn validate(conditions: &At, has_params: bool, errors: &mut ErrorList) {
    if conditions.len() > MAX_CONDITIONS {
        errors.push(Error::too_many(&conditions.path(), conditions.len(), MAX_CONDITIONS));
    }
    let scope = Scope::of_conditions(has_params);
    let mut seen = BTreeSet::new();
    for condition in conditions.items() {
        let (name, expression) = (condition.at("name"), condition.at("expression"));
        if expression.str().trim().is_empty() {
            errors.push(expression.required(""));
        } else {
            compile_trimmed(&expression, &scope, Wanted::Bool, errors);
        }
        name.require_and_check(errors, names::qualified_name);
        if !name.is_empty() && !seen.insert(name.str()) {
            errors.push(name.duplicate());
        }
    }
}
