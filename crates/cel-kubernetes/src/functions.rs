//! The functions: CEL's own, and Kubernetes' libraries (`k8s.io/apiserver/pkg/cel/library`).

mod duration;
mod format;
mod net;
mod text;
mod url;
mod version;

use crate::evaluate::{EvaluateError, Run};
use crate::value::{Key, Value, timestamp};
use api::quantity::{Format, Quantity};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::cmp::Ordering;
use std::sync::Arc;

/// Names that are no values but hold functions: `optional.of`.
pub(crate) const NAMESPACES: [&str; 8] = ["optional", "format", "sets", "lists", "strings", "ip", "cidr", "jsonpatch"];

/// The formats that `format.…()` knows (`k8s.io/apiserver/pkg/cel/library/format.go`).
const FORMATS: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

/// The format behind a function of `format`.
pub(crate) fn named_format(function: &str) -> Option<&'static str> {
    FORMATS.into_iter().find(|name| *name == function)
}

pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) use version::compare as compare_versions;

type Outcome = Result<Value, EvaluateError>;

fn failed(words: impl Into<String>) -> Outcome {
    Err(EvaluateError::Failed(words.into()))
}

/// Calls a function.
pub(crate) fn call(run: &mut Run<'_, '_>, name: &str, target: Option<&Value>, args: &[Value]) -> Outcome {
    // What is traversed costs by its size, everything else 1.
    let traversed: u64 = match name {
        "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" => args.iter().map(Value::size).min().unwrap_or(1),
        "@in" => args.get(1).map_or(1, Value::size).saturating_mul(10),
        "sets.contains" | "sets.intersects" | "sets.equivalent" => {
            args.iter().map(Value::size).fold(10, u64::saturating_mul)
        }
        "lists.range" => match args {
            [Value::Int(n)] => u64::try_from(*n).unwrap_or(0).saturating_mul(10),
            _ => 1,
        },
        "distinct" => target.map_or(1, Value::size).saturating_mul(target.map_or(1, Value::size)).saturating_mul(10),
        _ => target.into_iter().chain(args).map(Value::size).fold(0, u64::saturating_add),
    };
    run.spend(traversed.div_ceil(10).max(1))?;
    if let Some(format) = name.strip_prefix("format.") {
        return format_of(format, args);
    }
    match (target, args) {
        (None, [a]) => one(name, a),
        (None, [a, b]) => two(name, a, b),
        (None, args) => match (name, args) {
            ("optional.none", []) => Ok(Value::Optional(None)),
            _ => Err(EvaluateError::NoOverload),
        },
        (Some(target), args) => method(name, target, args),
    }
}

fn format_of(name: &str, args: &[Value]) -> Outcome {
    match (name, args) {
        ("named", [Value::String(wanted)]) => {
            Ok(Value::Optional(named_format(wanted).map(|name| Box::new(Value::Format(name)))))
        }
        (name, []) => named_format(name).map(Value::Format).ok_or(EvaluateError::NoOverload),
        _ => Err(EvaluateError::NoOverload),
    }
}

/// The largest (`Ordering::Greater`) or smallest item.
fn extreme(wanted: Ordering, list: &[Value]) -> Outcome {
    let mut items = list.iter();
    let Some(mut best) = items.next() else { return failed("list must not be empty") };
    for item in items {
        match item.compare(best) {
            Some(order) if order == wanted => best = item,
            Some(_) => {}
            None => return Err(EvaluateError::NoOverload),
        }
    }
    Ok(best.clone())
}

/// Functions of one argument.
fn one(name: &str, a: &Value) -> Outcome {
    let optional = |value: Value| Ok(Value::Optional(Some(Box::new(value))));
    match (name, a) {
        ("!_", Value::Bool(value)) => Ok(Value::Bool(!value)),
        ("-_", Value::Int(value)) => {
            value.checked_neg().map_or_else(|| failed("integer overflow"), |n| Ok(Value::Int(n)))
        }
        ("-_", Value::Double(value)) => Ok(Value::Double(-value)),
        ("size", value) => size(value),
        ("dyn", value) => Ok(value.clone()),
        ("type", value) => Ok(Value::Type(value.type_name().into())),
        ("string", value) => value.printed().map_or(Err(EvaluateError::NoOverload), |text| Ok(Value::text(&text))),
        ("optional.of", value) => optional(value.clone()),
        ("optional.ofNonZeroValue", value) => {
            let zero = match value {
                Value::Null => true,
                Value::Bool(value) => !value,
                Value::Int(value) => *value == 0,
                Value::Uint(value) => *value == 0,
                Value::Double(value) => *value == 0.0,
                Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => value.size() == 0,
                _ => false,
            };
            if zero { Ok(Value::Optional(None)) } else { optional(value.clone()) }
        }
        ("optional.unwrap", Value::List(list)) => text::unwrapped(list),
        ("jsonpatch.escapeKey", Value::String(text)) => Ok(Value::text(&text.replace('~', "~0").replace('/', "~1"))),
        ("strings.quote", Value::String(text)) => Ok(Value::text(&api::field::go_quote(text))),
        ("lists.range", Value::Int(n)) => {
            // Paid for already, and so bounded by the budget.
            Ok(Value::List(Arc::new((0..*n).map(Value::Int).collect())))
        }
        _ => conversion(name, a),
    }
}

/// Whether a literal can be what a function reads it as.
pub(crate) fn is_readable(function: &str, literal: &Value) -> bool {
    match (function, literal) {
        ("matches", Value::String(pattern)) => text::is_pattern(pattern),
        _ => conversion(function, literal).is_ok(),
    }
}

fn conversion(name: &str, a: &Value) -> Outcome {
    match (name, a) {
        ("int", Value::Int(_)) | ("uint", Value::Uint(_)) | ("double", Value::Double(_)) => Ok(a.clone()),
        ("bool", Value::Bool(_)) | ("bytes", Value::Bytes(_)) | ("duration", Value::Duration(_)) => Ok(a.clone()),
        ("timestamp", Value::Timestamp(_)) => Ok(a.clone()),
        ("int", Value::Uint(value)) => {
            i64::try_from(*value).map_or_else(|_| failed("integer overflow"), |n| Ok(Value::Int(n)))
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
        ("int", Value::Double(value)) if value.abs() < 9.2e18 => Ok(Value::Int(*value as i64)),
        ("int", Value::Double(_)) => failed("integer overflow"),
        ("int", Value::Duration(nanoseconds)) => Ok(Value::Int(*nanoseconds)),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked against the range")]
        ("uint", Value::Double(value)) if (0.0..1.8e19).contains(value) => Ok(Value::Uint(*value as u64)),
        ("uint", Value::Double(_)) => failed("unsigned integer overflow"),
        ("duration", Value::Int(nanoseconds)) => Ok(Value::Duration(*nanoseconds)),
        ("int", Value::Timestamp(moment)) => Ok(Value::Int(moment.as_second())),
        ("int", Value::String(text)) => text.parse().map_or_else(
            |_| failed(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
            |n| Ok(Value::Int(n)),
        ),
        ("uint", Value::Int(value)) => {
            u64::try_from(*value).map_or_else(|_| failed("unsigned integer overflow"), |n| Ok(Value::Uint(n)))
        }
        ("uint", Value::String(text)) => text.parse().map_or_else(
            |_| failed(format!("strconv.ParseUint: parsing {text:?}: invalid syntax")),
            |n| Ok(Value::Uint(n)),
        ),
        #[expect(clippy::cast_precision_loss, reason = "as CEL converts")]
        ("double", Value::Int(value)) => Ok(Value::Double(*value as f64)),
        #[expect(clippy::cast_precision_loss, reason = "as CEL converts")]
        ("double", Value::Uint(value)) => Ok(Value::Double(*value as f64)),
        ("double", Value::String(text)) => text.parse().map_or_else(
            |_| failed(format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
            |n| Ok(Value::Double(n)),
        ),
        ("bool", Value::String(text)) => match &**text {
            "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "F" | "0" => Ok(Value::Bool(false)),
            _ => failed(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
        },
        ("bytes", Value::String(text)) => Ok(Value::Bytes(text.as_bytes().into())),
        ("timestamp", Value::String(text)) => rfc3339(text)
            .map_or_else(|| failed(format!("parsing time {text:?}")), |moment| Ok(Value::Timestamp(moment))),
        ("timestamp", Value::Int(seconds)) => jiff::Timestamp::from_second(*seconds)
            .map_or_else(|_| failed("timestamp overflow"), |moment| Ok(Value::Timestamp(moment))),
        ("duration", Value::String(text)) => duration::parse(text)
            .map_or_else(|| failed(format!("time: invalid duration {text:?}")), |n| Ok(Value::Duration(n))),
        ("quantity" | "isQuantity", Value::String(text)) => match (Quantity::parse(text), name) {
            (parsed, "isQuantity") => Ok(Value::Bool(parsed.is_ok())),
            (Ok(quantity), _) => Ok(Value::Quantity(Arc::new(quantity))),
            (Err(error), _) => failed(error.to_string()),
        },
        ("url" | "isURL", Value::String(text)) => match (url::parse(text), name) {
            (parsed, "isURL") => Ok(Value::Bool(parsed.is_some())),
            (Some(url), _) => Ok(Value::Url(Arc::new(url))),
            (None, _) => failed(format!(
                "URL parse error during conversion from string: parse {text:?}: invalid URI for request"
            )),
        },
        ("semver" | "isSemver", Value::String(text)) => semver(name, text, false),
        _ => net::function(name, a),
    }
}

/// A moment with its time of day; a date alone is one only in fields of the format `date`.
fn rfc3339(text: &str) -> Option<jiff::Timestamp> {
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let is_offset = |zone: &[u8]| matches!(zone, [b'+' | b'-', a, b, b':', c, d] if [a, b, c, d].iter().all(|b| b.is_ascii_digit()));
    let shaped = text.as_bytes().get(10) == Some(&b'T') && (zone == "Z" || is_offset(zone.as_bytes()));
    shaped.then(|| timestamp(text)).flatten()
}

fn size(value: &Value) -> Outcome {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => return Err(EvaluateError::NoOverload),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn semver(name: &str, text: &str, normalize: bool) -> Outcome {
    let parsed = version::parse(text, normalize);
    match (name, parsed) {
        ("isSemver", parsed) => Ok(Value::Bool(parsed.is_some())),
        (_, Some(version)) => Ok(Value::SemVer(Arc::new(version))),
        (_, None) => failed(format!("Invalid character(s) found in version {text:?}")),
    }
}

/// Functions of two arguments, operators above all.
fn two(name: &str, a: &Value, b: &Value) -> Outcome {
    let ordered = |test: fn(Ordering) -> bool| match a.compare(b) {
        Some(order) => Ok(Value::Bool(test(order))),
        None => Err(EvaluateError::NoOverload),
    };
    match name {
        "_==_" => Ok(Value::Bool(a.equals(b))),
        "_!=_" => Ok(Value::Bool(!a.equals(b))),
        "_<_" => ordered(Ordering::is_lt),
        "_<=_" => ordered(Ordering::is_le),
        "_>_" => ordered(Ordering::is_gt),
        "_>=_" => ordered(Ordering::is_ge),
        "@in" => match b {
            Value::List(list) => Ok(Value::Bool(list.iter().any(|item| item.equals(a)))),
            Value::Map(map) => Ok(Value::Bool(Key::of(a).is_some_and(|key| map.contains_key(&key)))),
            _ => Err(EvaluateError::NoOverload),
        },
        "matches" => text::method("matches", a, std::slice::from_ref(b)),
        "semver" | "isSemver" => match (a, b) {
            (Value::String(version), Value::Bool(normalize)) => semver(name, version, *normalize),
            _ => Err(EvaluateError::NoOverload),
        },
        "sets.contains" | "sets.equivalent" | "sets.intersects" => {
            let (Value::List(a), Value::List(b)) = (a, b) else { return Err(EvaluateError::NoOverload) };
            let holds = |list: &[Value], item: &Value| list.iter().any(|one| one.equals(item));
            let within = |small: &[Value], large: &[Value]| small.iter().all(|item| holds(large, item));
            Ok(Value::Bool(match name {
                "sets.contains" => within(b, a),
                "sets.equivalent" => within(a, b) && within(b, a),
                _ => a.iter().any(|item| holds(b, item)),
            }))
        }
        _ => arithmetic(name, a, b),
    }
}

fn arithmetic(name: &str, a: &Value, b: &Value) -> Outcome {
    let int = |value: Option<i64>| value.map_or_else(|| failed("integer overflow"), |n| Ok(Value::Int(n)));
    let uint = |value: Option<u64>| value.map_or_else(|| failed("unsigned integer overflow"), |n| Ok(Value::Uint(n)));
    let duration = |value: Option<i64>| value.map_or_else(|| failed("duration overflow"), |n| Ok(Value::Duration(n)));
    let zero = matches!(b, Value::Int(0) | Value::Uint(0));
    match (name, a, b) {
        ("_/_", Value::Int(_) | Value::Uint(_), _) if zero => failed("division by zero"),
        ("_%_", Value::Int(_) | Value::Uint(_), _) if zero => failed("modulus by zero"),
        ("_+_", Value::Int(a), Value::Int(b)) => int(a.checked_add(*b)),
        ("_-_", Value::Int(a), Value::Int(b)) => int(a.checked_sub(*b)),
        ("_*_", Value::Int(a), Value::Int(b)) => int(a.checked_mul(*b)),
        ("_/_", Value::Int(a), Value::Int(b)) => int(a.checked_div(*b)),
        ("_%_", Value::Int(a), Value::Int(b)) => int(a.checked_rem(*b)),
        ("_+_", Value::Uint(a), Value::Uint(b)) => uint(a.checked_add(*b)),
        ("_-_", Value::Uint(a), Value::Uint(b)) => uint(a.checked_sub(*b)),
        ("_*_", Value::Uint(a), Value::Uint(b)) => uint(a.checked_mul(*b)),
        ("_/_", Value::Uint(a), Value::Uint(b)) => uint(a.checked_div(*b)),
        ("_%_", Value::Uint(a), Value::Uint(b)) => uint(a.checked_rem(*b)),
        ("_+_", Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        ("_-_", Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        ("_*_", Value::Double(a), Value::Double(b)) => Ok(Value::Double(a * b)),
        ("_/_", Value::Double(a), Value::Double(b)) => Ok(Value::Double(a / b)),
        ("_+_", Value::String(a), Value::String(b)) => Ok(Value::text(&format!("{a}{b}"))),
        ("_+_", Value::Bytes(a), Value::Bytes(b)) => Ok(Value::Bytes([&**a, &**b].concat().into())),
        ("_+_", Value::List(a), Value::List(b)) => Ok(Value::List(Arc::new([a.as_slice(), b.as_slice()].concat()))),
        ("_+_", Value::Duration(a), Value::Duration(b)) => duration(a.checked_add(*b)),
        ("_-_", Value::Duration(a), Value::Duration(b)) => duration(a.checked_sub(*b)),
        ("_+_", Value::Timestamp(at), Value::Duration(by)) | ("_+_", Value::Duration(by), Value::Timestamp(at)) => {
            moved(*at, *by)
        }
        ("_-_", Value::Timestamp(at), Value::Duration(by)) => moved(*at, by.saturating_neg()),
        ("_-_", Value::Timestamp(a), Value::Timestamp(b)) => {
            let nanoseconds = a.as_nanosecond() - b.as_nanosecond();
            i64::try_from(nanoseconds).map_or_else(|_| failed("duration overflow"), |n| Ok(Value::Duration(n)))
        }
        _ => Err(EvaluateError::NoOverload),
    }
}

fn moved(at: jiff::Timestamp, nanoseconds: i64) -> Outcome {
    at.checked_add(jiff::SignedDuration::from_nanos(nanoseconds))
        .map_or_else(|_| failed("timestamp overflow"), |moment| Ok(Value::Timestamp(moment)))
}

/// Functions on a receiver.
fn method(name: &str, target: &Value, args: &[Value]) -> Outcome {
    match (name, target, args) {
        ("size", target, []) => size(target),
        ("hasValue", Value::Optional(inner), []) => Ok(Value::Bool(inner.is_some())),
        ("value", Value::Optional(Some(inner)), []) => Ok((**inner).clone()),
        ("value", Value::Optional(None), []) => failed("optional.none() dereference"),
        ("validate", Value::Format(format), [Value::String(text)]) => Ok(validate(format, text)),
        (_, Value::String(_), _) => text::method(name, target, args),
        (_, Value::List(list), args) => text::list_method(name, list, args),
        (_, Value::Timestamp(_) | Value::Duration(_), []) => time_part(name, target, ""),
        (_, Value::Timestamp(_), [Value::String(zone)]) => time_part(name, target, zone),
        (_, Value::Host(host), args) => host.call(name, args),
        (_, Value::Quantity(quantity), args) => quantity_method(name, quantity, args),
        (_, Value::SemVer(version), args) => version_method(name, version, args),
        (_, Value::Url(url), []) => url::part(name, url),
        _ => net::method(name, target, args),
    }
}

fn validate(format: &str, text: &str) -> Value {
    use api::names;
    let prefix = |rule: fn(&str) -> Vec<String>| rule(&names::mask_trailing_dash(text));
    let wrong = match format {
        "dns1123Label" => names::dns1123_label(text),
        "dns1123Subdomain" => names::dns1123_subdomain(text),
        "dns1035Label" => names::dns1035_label(text),
        "qualifiedName" => names::qualified_name(text),
        "labelValue" => names::label_value(text),
        "dns1123LabelPrefix" => prefix(names::dns1123_label),
        "dns1123SubdomainPrefix" => prefix(names::dns1123_subdomain),
        "dns1035LabelPrefix" => prefix(names::dns1035_label),
        "uri" if url::parse(text).is_some() => Vec::new(),
        "uri" => vec![format!("parse {}: invalid URI for request", api::field::go_quote(text))],
        other if api::structural::format::matches(&other.to_lowercase(), text) => Vec::new(),
        "uuid" => vec!["does not match the UUID format".to_owned()],
        "byte" => vec!["invalid base64".to_owned()],
        other => vec![format!("invalid {other}")],
    };
    let list = wrong.iter().map(|words| Value::text(words)).collect();
    Value::Optional((!wrong.is_empty()).then(|| Box::new(Value::List(Arc::new(list)))))
}

/// A time zone: a name of the tz database, or an offset (`+01:30`, `-08:00`); nothing is UTC.
fn time_zone(name: &str) -> Option<jiff::tz::TimeZone> {
    if name.is_empty() || name == "UTC" {
        return Some(jiff::tz::TimeZone::UTC);
    }
    let Some((hours, minutes)) = name.split_once(':') else { return jiff::tz::TimeZone::get(name).ok() };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minutes = if name.starts_with('-') { -minutes } else { minutes };
    let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
    jiff::tz::Offset::from_seconds(seconds).ok().map(jiff::tz::TimeZone::fixed)
}

fn time_part(name: &str, target: &Value, zone: &str) -> Outcome {
    let number = match target {
        Value::Duration(nanoseconds) => match name {
            "getHours" => nanoseconds / 3_600_000_000_000,
            "getMinutes" => nanoseconds / 60_000_000_000,
            "getSeconds" => nanoseconds / 1_000_000_000,
            "getMilliseconds" => nanoseconds / 1_000_000,
            _ => return Err(EvaluateError::NoOverload),
        },
        Value::Timestamp(moment) => {
            let Some(zone) = time_zone(zone) else { return failed(format!("unknown time zone {zone}")) };
            let at = moment.to_zoned(zone);
            match name {
                "getFullYear" => at.year().into(),
                "getMonth" => i64::from(at.month()) - 1,
                "getDate" => at.day().into(),
                "getDayOfMonth" => i64::from(at.day()) - 1,
                "getDayOfWeek" => at.weekday().to_sunday_zero_offset().into(),
                "getDayOfYear" => i64::from(at.day_of_year()) - 1,
                "getHours" => at.hour().into(),
                "getMinutes" => at.minute().into(),
                "getSeconds" => at.second().into(),
                "getMilliseconds" => at.millisecond().into(),
                _ => return Err(EvaluateError::NoOverload),
            }
        }
        _ => return Err(EvaluateError::NoOverload),
    };
    Ok(Value::Int(number))
}

fn quantity_method(name: &str, quantity: &Quantity, args: &[Value]) -> Outcome {
    let made = |quantity: Quantity| Ok(Value::Quantity(Arc::new(quantity)));
    match (name, args) {
        ("sign", []) => Ok(Value::Int(quantity.sign().into())),
        ("isInteger", []) => Ok(Value::Bool(quantity.is_integer())),
        ("asInteger", []) if quantity.is_integer() => Ok(Value::Int(quantity.value())),
        ("asInteger", []) => failed("cannot convert value to integer"),
        #[expect(clippy::cast_precision_loss, reason = "the name says approximate")]
        ("asApproximateFloat", []) => Ok(Value::Double(quantity.milli_value() as f64 / 1000.0)),
        ("add", [Value::Quantity(other)]) => made(quantity.add(other)),
        ("sub", [Value::Quantity(other)]) => made(quantity.sub(other)),
        ("add", [Value::Int(other)]) => made(quantity.add(&Quantity::new(*other, Format::DecimalSi))),
        ("sub", [Value::Int(other)]) => made(quantity.sub(&Quantity::new(*other, Format::DecimalSi))),
        ("isLessThan", [Value::Quantity(other)]) => Ok(Value::Bool(quantity.compare(other).is_lt())),
        ("isGreaterThan", [Value::Quantity(other)]) => Ok(Value::Bool(quantity.compare(other).is_gt())),
        ("compareTo", [Value::Quantity(other)]) => Ok(Value::Int(quantity.compare(other) as i64)),
        _ => Err(EvaluateError::NoOverload),
    }
}

fn version_method(name: &str, version: &(u64, u64, u64, String), args: &[Value]) -> Outcome {
    let number = |n: u64| Ok(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)));
    match (name, args) {
        ("major", []) => number(version.0),
        ("minor", []) => number(version.1),
        ("patch", []) => number(version.2),
        ("compareTo", [Value::SemVer(other)]) => Ok(Value::Int(compare_versions(version, other) as i64)),
        ("isLessThan", [Value::SemVer(other)]) => Ok(Value::Bool(compare_versions(version, other).is_lt())),
        ("isGreaterThan", [Value::SemVer(other)]) => Ok(Value::Bool(compare_versions(version, other).is_gt())),
        _ => Err(EvaluateError::NoOverload),
    }
}
