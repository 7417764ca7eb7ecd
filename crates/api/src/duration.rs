//! Go's durations (`time.ParseDuration`): `1h2m3.5s`, `-100ms`, with errors in Go's words.
//!
//! What not: `metav1.Duration` in objects, which is such a text and no more.

use std::fmt::Write as _;
use std::time::Duration;

/// Why a text is no duration, as Go says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time: {0}")]
pub struct DurationError(String);

/// The most negative duration that Go can hold is one nanosecond longer than the longest positive one.
const MAX_NANOS: u64 = i64::MAX as u64;

/// What stands behind a number, with its length in nanoseconds; both of Unicode's signs for micro are read.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Digits of a fraction that can make a nanosecond: an hour has 13 of them, and Go stops where 64 bits are full.
const MAX_FRACTION_DIGITS: usize = 19;

/// Reads a Go duration: nanoseconds, with their sign.
///
/// # Errors
/// When the text is none, in Go's words.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError(format!("invalid duration {}", quote(text)));
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(DurationError(format!("missing unit in duration {}", quote(text))));
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError(format!("unknown unit {} in duration {}", quote(unit), quote(text))));
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let part = whole.checked_mul(*nanos).ok_or_else(invalid)?;
        total = part
            .checked_add(of_fraction(fraction, *nanos))
            .and_then(|sum| sum.checked_add(total))
            .ok_or_else(invalid)?;
        if total > MAX_NANOS + 1 {
            return Err(invalid());
        }
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(nanos)) => Ok(nanos),
        (true, Ok(nanos)) => Ok(-nanos),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Err(_)) => Err(invalid()),
    }
}

/// Reads a Go duration that is not negative.
pub fn parse_positive(text: &str) -> Option<Duration> {
    parse(text).ok().and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// That fraction of a unit, cut off at whole nanoseconds.
fn of_fraction(fraction: &str, unit: u64) -> u64 {
    let counted = &fraction[..fraction.len().min(MAX_FRACTION_DIGITS)];
    let Ok(value) = counted.parse::<u128>() else { return 0 }; // no digits
    let divisor = counted.bytes().fold(1u128, |power, _| power * 10);
    u64::try_from(value * u128::from(unit) / divisor).unwrap_or(u64::MAX)
}

/// Quotes as Go's `time` package does: whatever is not printable ASCII byte by byte.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=0x7f => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}"); // a String takes everything
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_to_the_nanosecond() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("+5s", 5_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("1h0m1.5s", 3_601_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("3µs", 3_000),
            ("3μs7ns", 3_007),
            ("0.33333333333333333333333333h", 1_199_999_999_999),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
        assert_eq!(parse_positive("-1s"), None);
        assert_eq!(parse_positive("100ms"), Some(Duration::from_millis(100)));
    }

    #[test]
    fn what_is_wrong_is_said_as_go_says_it() {
        for (text, why) in [
            ("", r#"time: invalid duration """#),
            ("-", r#"time: invalid duration "-""#),
            ("foo", r#"time: invalid duration "foo""#),
            (".s", r#"time: invalid duration ".s""#),
            ("10", r#"time: missing unit in duration "10""#),
            ("1m30", r#"time: missing unit in duration "1m30""#),
            ("10x", r#"time: unknown unit "x" in duration "10x""#),
            ("1 s", r#"time: unknown unit " s" in duration "1 s""#),
            ("1d\"é", r#"time: unknown unit "d\"\xc3\xa9" in duration "1d\"\xc3\xa9""#),
            ("99999999999999999999s", r#"time: invalid duration "99999999999999999999s""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
            ("3000000h", r#"time: invalid duration "3000000h""#),
        ] {
            assert_eq!(parse(text).map_err(|error| error.to_string()), Err(why.to_owned()), "{text}");
        }
    }
}
