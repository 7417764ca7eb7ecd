//! Amounts that are a number or a percentage, as rolling updates and budgets use them.

use crate::At;
use crate::names;
use api::field::ErrorList;
use serde_json::Value;

/// `ValidatePositiveIntOrPercent`
pub(super) fn validate_int_or_percent(amount: &At, errors: &mut ErrorList) {
    match amount.value() {
        Some(Value::String(_)) => amount.check(errors, names::percent),
        _ => amount.nonnegative(errors),
    }
}

/// `IsNotMoreThan100Percent`
pub(super) fn validate_at_most_all(amount: &At, errors: &mut ErrorList) {
    if percentage(amount).is_some_and(|percent| percent > 100) {
        errors.push(amount.invalid("must not be greater than 100%"));
    }
}

fn percentage(amount: &At) -> Option<i64> {
    amount.str().strip_suffix('%')?.parse().ok()
}

/// The number or the percentage; 0 when it is neither.
pub(super) fn number(amount: &At) -> i64 {
    amount.int().or_else(|| percentage(amount)).unwrap_or(0)
}
