//! The string formats that upstream knows (`k8s.io/kube-openapi/pkg/validation/strfmt`), and what passes for each.

use crate::names::parse_ip_sloppy;
use regex::Regex;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// All formats that are checked. Others are ignored.
const SUPPORTED: &[&str] = &[
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "date-time",
    "k8s-short-name",
    "k8s-long-name",
    "int32",
    "int64",
    "float",
    "double",
];

/// The format, or nothing when it is none that upstream knows.
pub fn supported(format: &str) -> &str {
    if SUPPORTED.contains(&format) { format } else { "" }
}

/// Whether the format is one of strings.
pub(super) fn is_of_strings(format: &str) -> bool {
    !matches!(format, "" | "int32" | "int64" | "float" | "double")
}

/// Whether a text has the format. Formats that are unknown have every text.
pub fn matches(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => is_date_time(text),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "duration" => duration_nanoseconds(text).is_some(),
        "ipv4" => text.contains('.') && parse_ip_sloppy(text).is_some(),
        "ipv6" => text.contains(':') && text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        "uri" => is_uri(text),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "byte" => !text.is_empty() && is_base64(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        }
        "rgbcolor" => is_rgb(text),
        "ssn" => is_ssn(text),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "k8s-short-name" => crate::names::dns1123_label(text).is_empty(),
        "k8s-long-name" => crate::names::dns1123_subdomain(text).is_empty(),
        _ => true,
    }
}

/// RFC 3339 with `T` (or a blank) and a zone.
fn is_date_time(text: &str) -> bool {
    let has_time = matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' '));
    has_time && text.parse::<jiff::Timestamp>().is_ok()
}

/// A Go duration (`1h2m3.5s`) in nanoseconds; else the sum of all that looks like a duration in the text (`3 days`, `PT1S`),
/// as `strfmt.ParseDuration` has it.
pub fn duration_nanoseconds(text: &str) -> Option<i64> {
    go_duration_nanoseconds(text).or_else(|| loose_duration_nanoseconds(text))
}

fn go_duration_nanoseconds(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        let after = &rest[end..];
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        total += number * go_unit_nanoseconds(&after[..unit_end])?;
        rest = &after[unit_end..];
    }
    in_range(sign * total)
}

fn go_unit_nanoseconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    })
}

fn loose_duration_nanoseconds(text: &str) -> Option<i64> {
    static PARTS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"([0-9]+)\s*([A-Za-zµ]+)").expect("a pattern of ours"));
    let mut total = None;
    for part in PARTS.captures_iter(text) {
        let number: i64 = part[1].parse().ok()?;
        if let Some(unit) = loose_unit_nanoseconds(&part[2].to_lowercase()) {
            #[expect(clippy::cast_precision_loss, reason = "so many nanoseconds are years")]
            let length = number as f64 * unit;
            total = Some(total.unwrap_or(0.0) + length);
        }
    }
    in_range(total?)
}

/// The last name of a unit stands for all words that begin with it.
fn loose_unit_nanoseconds(unit: &str) -> Option<f64> {
    let units: [(&[&str], f64); 8] = [
        (&["ns", "nano"], 1.0),
        (&["us", "µs", "micro"], 1e3),
        (&["ms", "milli"], 1e6),
        (&["s", "sec"], 1e9),
        (&["m", "min"], 60e9),
        (&["h", "hr", "hour"], 3600e9),
        (&["d", "day"], 86_400e9),
        (&["w", "wk", "week"], 604_800e9),
    ];
    let is = |names: &[&str]| names.contains(&unit) || names.last().is_some_and(|last| unit.starts_with(last));
    units.into_iter().find(|(names, _)| is(names)).map(|(_, length)| length)
}

fn in_range(nanoseconds: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked against the range of i64")]
    (nanoseconds.abs() < 9.2e18).then_some(nanoseconds as i64)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
}

fn is_mac(text: &str) -> bool {
    let separated = |separator: char, digits: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        let bytes = parts.len() * digits / 2;
        matches!(bytes, 6 | 8 | 20)
            && parts.iter().all(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    separated(':', 2) || separated('-', 2) || separated('.', 4)
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let plain: String = text.chars().filter(|c| *c != '-').collect();
    let dashes_fit = !text.contains('-')
        || (text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-')));
    plain.len() == 32
        && dashes_fit
        && plain.bytes().all(|b| b.is_ascii_hexdigit())
        && version.is_none_or(|version| plain.chars().nth(12) == Some(version))
}

fn is_uri(text: &str) -> bool {
    // Go's url.ParseRequestURI: absolute, or an absolute path.
    if text.chars().any(|c| c.is_control() || c == ' ') {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !rest.is_empty()
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !local.is_empty() && !domain.is_empty() && !local.contains(' ') && !domain.contains(' ')
}

/// One label, with a dash in its second place at most, or a name with dots whose last part is two letters or more.
fn is_hostname(text: &str) -> bool {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        let letter = r"a-zA-Z0-9\p{S}\p{L}";
        let pattern = format!(
            r"^(?:[{letter}](?:-?[{letter}]{{0,62}})?|(?:[{letter}](?:[{letter}-]{{0,61}}[{letter}])?\.)+[a-zA-Z\p{{L}}]{{2,63}})$"
        );
        Regex::new(&pattern).expect("a pattern of ours")
    });
    text.len() <= 255 && text.split('.').all(|label| label.len() <= 63) && PATTERN.is_match(text)
}

fn is_base64(text: &str) -> bool {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

fn is_rgb(text: &str) -> bool {
    let Some(inside) = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')')) else { return false };
    let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    parts.len() == 3 && parts.iter().all(|part| part.trim_end_matches('%').parse::<u8>().is_ok())
}

fn is_ssn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', ' ']).collect();
    let lengths = [3, 2, 4];
    parts.len() == 3
        && parts.iter().zip(lengths).all(|(part, n)| part.len() == n && part.bytes().all(|b| b.is_ascii_digit()))
}

fn digits_of(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | ' ')).collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = digits_of(text);
    if digits.len() != 10 || !digits.is_ascii() {
        return false;
    }
    let sum: Option<u32> = digits.chars().zip(1u32..).try_fold(0, |sum, (c, place)| {
        let value = if c == 'X' && place == 10 { 10 } else { c.to_digit(10)? };
        Some(sum + value * place)
    });
    sum.is_some_and(|sum| sum % 11 == 0)
}

fn is_isbn13(text: &str) -> bool {
    let digits = digits_of(text);
    if digits.len() != 13 {
        return false;
    }
    let sum: Option<u32> = digits
        .chars()
        .enumerate()
        .try_fold(0, |sum, (at, c)| Some(sum + c.to_digit(10)? * if at % 2 == 0 { 1 } else { 3 }));
    sum.is_some_and(|sum| sum % 10 == 0)
}

/// Luhn's check.
fn is_credit_card(text: &str) -> bool {
    let digits = digits_of(text);
    if !(13..=19).contains(&digits.len()) {
        return false;
    }
    let sum: Option<u32> = digits.chars().rev().enumerate().try_fold(0, |sum, (at, c)| {
        let digit = c.to_digit(10)?;
        let doubled = if at % 2 == 1 { digit * 2 } else { digit };
        Some(sum + if doubled > 9 { doubled - 9 } else { doubled })
    });
    sum.is_some_and(|sum| sum % 10 == 0)
}
