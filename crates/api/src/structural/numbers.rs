//! Bounds of numbers, with the peculiarities of kube-openapi: bounds of whole numbers are cut to whole numbers.

use super::node::{Bound, JsonType, Node};
use super::validate::Outcome;
use serde_json::{Number, Value};

/// A constraint whose value is printed as a whole number where the data is one.
fn shown(bound: f64, whole: bool) -> String {
    if whole { whole_part(bound).to_string() } else { go_float(bound) }
}

#[expect(clippy::cast_possible_truncation, reason = "saturating, as Go's conversion is for these")]
fn whole_part(bound: f64) -> i64 {
    bound as i64
}

/// Go's `%v` of a float64.
pub(super) fn go_float(value: f64) -> String {
    let exponent = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if (-4.0..21.0).contains(&exponent) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text,
    }
}

/// Checks a number.
pub(super) fn check(node: &Node, path: &str, number: &Number, found: &mut Outcome) {
    let value = Value::Number(number.clone());
    let whole = number.as_i64().or_else(|| number.as_u64().map(|_| i64::MAX));
    let data = number.as_f64().unwrap_or_default();
    if node.kind == Some(JsonType::Integer) {
        let format = &node.format;
        let fits = match (number.as_i64(), format.as_str()) {
            (Some(n), "int32") => i32::try_from(n).is_ok(),
            (Some(_), _) => true,
            (None, _) => number.is_f64() && data.fract() == 0.0 && data.abs() < 9.2e18,
        };
        if !fits {
            let of = if format.is_empty() { " (default format)".to_owned() } else { format!(" with format {format}") };
            found.loose(format!("Checked value must be of type integer{of} in {path}"));
        }
    }
    if let Some(factor) = node.multiple_of {
        check_multiple(path, whole, data, factor, &value, found);
    }
    let mut bound = |bound: Option<Bound>, is_lower: bool| {
        let Some(Bound { value: limit, exclusive }) = bound else { return };
        let outside = match (whole, is_lower, exclusive) {
            (Some(n), true, false) => n < whole_part(limit),
            (Some(n), true, true) => n <= whole_part(limit),
            (Some(n), false, false) => n > whole_part(limit),
            (Some(n), false, true) => n >= whole_part(limit),
            (None, true, false) => data < limit,
            (None, true, true) => data <= limit,
            (None, false, false) => data > limit,
            (None, false, true) => data >= limit,
        };
        if outside {
            let than = if is_lower { "greater than" } else { "less than" };
            let or_equal = if exclusive { "" } else { " or equal to" };
            let words = format!("{path} in body should be {than}{or_equal} {}", shown(limit, whole.is_some()));
            found.invalid(path, value.clone(), words);
        }
    };
    bound(node.minimum, true);
    bound(node.maximum, false);
}

fn check_multiple(path: &str, whole: Option<i64>, data: f64, factor: f64, value: &Value, found: &mut Outcome) {
    let must_be_positive = |found: &mut Outcome, factor: Value| {
        let words = format!("factor MultipleOf declared for {path} must be positive: {factor}");
        found.invalid(path, factor, words);
    };
    let not_multiple = |found: &mut Outcome, factor: String| {
        found.invalid(path, value.clone(), format!("{path} in body should be a multiple of {factor}"));
    };
    match whole {
        Some(n) => {
            let factor = whole_part(factor);
            if factor <= 0 {
                must_be_positive(found, factor.into());
            } else if n % factor != 0 {
                not_multiple(found, factor.to_string());
            }
        }
        None if factor <= 0.0 => must_be_positive(found, factor.into()),
        None => {
            let quotient = if factor < 1.0 { 1.0 / factor * data } else { data / factor };
            if (quotient - quotient.round()).abs() > 1e-9 * quotient.abs().max(1.0) {
                not_multiple(found, go_float(factor));
            }
        }
    }
}
