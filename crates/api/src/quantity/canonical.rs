//! What upstream writes for a quantity that it has read: most texts stay as they are.

use super::{Format, MIN_EXPONENT, Parts, Quantity, QuantityError, interpret, split};

/// Whether upstream's decoder keeps the text as it is, which it does for most that are canonical and some that are not
/// (`+5`, `12E6`).
fn is_kept(parts: &Parts<'_>, format: Format, exponent: i32) -> bool {
    let digits = parts.whole.len() + parts.fraction.len();
    let last_digits = parts.fraction.bytes().rev().chain(parts.whole.bytes().rev());
    match format {
        Format::BinarySi => {
            // The fast path takes what has fewer digits than an i64 less those of the suffix.
            let value = parts.whole.parse::<i64>().unwrap_or(0);
            parts.fraction.is_empty() && (digits as i32 + exponent * 3 / 10) < 15 && value & 7 != 0
        }
        _ => {
            let scale = exponent - parts.fraction.len() as i32;
            let thousands = digits >= 3 && last_digits.take(3).all(|digit| digit == b'0');
            digits <= 18 && scale >= MIN_EXPONENT && scale % 3 == 0 && !thousands && !parts.whole.is_empty()
        }
    }
}

/// What upstream writes for a quantity that a client sent as `text`: `None` when the text stays as it is.
///
/// # Errors
/// When the text is no quantity. Spaces around it are not looked at.
pub fn canonical(text: &str) -> Result<Option<String>, QuantityError> {
    let trimmed = text.trim();
    let keep = |is_kept: bool| (!is_kept).then(|| trimmed.to_owned());
    if trimmed == "0" {
        return Ok(keep(text.len() == 1));
    }
    let parts = split(trimmed)?;
    let (_, exponent, format) = interpret(parts.suffix).ok_or(QuantityError::Suffix)?;
    if is_kept(&parts, format, exponent) {
        return Ok(keep(trimmed.len() == text.len()));
    }
    let canonical = Quantity::parse(trimmed)?.to_string();
    Ok((canonical != text).then_some(canonical))
}
