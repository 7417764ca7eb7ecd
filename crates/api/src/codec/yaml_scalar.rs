//! What a plain YAML scalar means: the rules of YAML 1.1 as Go's YAML library has them, in which `y`, `on` and `off` are
//! booleans and `0777` is octal.

use serde_json::{Number, Value};

/// The value of an unquoted scalar without a tag; `None` for the merge key `<<` is left to the caller, which looks first.
pub(super) fn resolve(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Ok(true.into()),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Ok(false.into()),
        ".nan" | ".NaN" | ".NAN" => return Err("json: unsupported value: NaN".to_owned()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Err("json: unsupported value: +Inf".to_owned());
        }
        "-.inf" | "-.Inf" | "-.INF" => return Err("json: unsupported value: -Inf".to_owned()),
        _ => {}
    }
    Ok(number(text).unwrap_or_else(|| Value::String(text.to_owned())))
}

/// Whether the unquoted text would be read as a string again.
pub(super) fn is_string(text: &str) -> bool {
    matches!(resolve(text), Ok(Value::String(_))) && !is_timestamp(text) && !is_base_60(text)
}

fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    if is_timestamp(text) {
        return None;
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    if let Some(integer) = integer(&plain) {
        return Some(integer);
    }
    if is_float(&plain) {
        return plain.parse().ok().and_then(Number::from_f64).map(|n| integral(n).into());
    }
    None
}

/// JSON has one kind of number: `1.0` and `1e3` are written as Go writes its floats, without a fraction.
pub(super) fn integral(number: Number) -> Number {
    /// Above, not every whole number is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < EXACT => Number::from(float as i64),
        _ => number,
    }
}

/// Go's integer syntax: decimal, `0x`, `0o`, `0b`, and octal by a leading zero.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        let value = 0i64.checked_sub_unsigned(magnitude)?;
        return Some(value.into());
    }
    Some(magnitude.into())
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

/// Dates and times, which stay strings but are quoted when printed.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    if bytes.len() < 8 || digits(0) != 4 || bytes[4] != b'-' {
        return false;
    }
    let month = digits(5);
    let day_at = 5 + month + 1;
    if !(1..=2).contains(&month) || bytes.get(day_at - 1) != Some(&b'-') || day_at >= bytes.len() {
        return false;
    }
    let end = day_at + digits(day_at);
    let rest = &text[end..];
    if !(1..=2).contains(&(end - day_at)) {
        return false;
    }
    if rest.is_empty() {
        return month == 2 && end - day_at == 2;
    }
    let time = rest.strip_prefix(['T', 't', ' ']).unwrap_or("");
    let colons = time.bytes().filter(|b| *b == b':').count();
    colons >= 2 && time.bytes().all(|b| b.is_ascii_digit() || b":.+-Zz ".contains(&b))
}

/// `1:20`: YAML 1.1's numbers to base 60, which Go reads as strings but quotes.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let rest: Vec<&str> = parts.collect();
    let Some((last, middle)) = rest.split_last() else {
        return false;
    };
    digits(first) && middle.iter().all(|p| digits(p)) && digits(last.split('.').next().unwrap_or_default())
}
