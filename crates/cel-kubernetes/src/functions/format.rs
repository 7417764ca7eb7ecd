//! `'%s is %d'.format([…])` as cel-go's strings library has it in version 2, which is upstream's: values within lists and
//! maps are printed as literals, numbers with `%f` and `%e` as the locale en_US has them.

use super::{Outcome, failed};
use crate::evaluate::EvaluateError;
use crate::value::Value;
use api::field::go_quote;

/// Digits behind the point where none are asked for.
const DEFAULT_PRECISION: usize = 6;
/// The most that may be asked for.
const MAX_PRECISION: usize = 1000;

/// Fills the clauses of a text.
pub(super) fn format(text: &str, values: &[Value]) -> Outcome {
    let mut out = String::new();
    let mut given = values.iter();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut rest = characters.clone();
        if rest.next() == Some('%') {
            characters = rest;
            out.push('%');
            continue;
        }
        let (precision, verb) = clause(&mut characters)?;
        let Some(value) = given.next() else {
            return failed(format!("index {} out of range", values.len()));
        };
        out.push_str(&printed(verb, precision, value)?);
    }
    Ok(Value::text(&out))
}

/// Precision and verb of what follows a `%`.
fn clause(characters: &mut std::str::Chars<'_>) -> Result<(Option<usize>, char), EvaluateError> {
    let wrong = |words: String| EvaluateError::Failed(words);
    let mut verb = characters.next();
    let mut precision = None;
    if verb == Some('.') {
        let digits: String = characters.clone().take_while(char::is_ascii_digit).collect();
        let number = digits.parse().map_err(|_| wrong("error while parsing precision".to_owned()))?;
        if number > MAX_PRECISION {
            return Err(wrong(format!("precision {number} is more than {MAX_PRECISION}")));
        }
        precision = Some(number);
        verb = characters.nth(digits.len());
    }
    verb.map(|verb| (precision, verb)).ok_or_else(|| wrong("unexpected end of string".to_owned()))
}

fn printed(verb: char, precision: Option<usize>, value: &Value) -> Result<String, EvaluateError> {
    let digits = precision.unwrap_or(DEFAULT_PRECISION);
    let float = match value {
        Value::Double(n) => Some(*n),
        Value::String(text) if matches!(&**text, "NaN" | "Infinity" | "-Infinity") => text.parse().ok(),
        _ => None,
    };
    let (allowed, printed) = match verb {
        's' => (
            "strings, bytes, bools, ints, doubles, maps, lists, types, durations, and timestamps, null",
            text_of(value),
        ),
        'd' => ("integers", whole(value).map(|n| n.to_string())),
        'f' => ("doubles", float.map(|n| fixed(n, digits))),
        'e' => ("doubles", float.map(|n| scientific(n, digits))),
        'b' => (
            "integers and bools",
            match value {
                Value::Bool(value) => Some(u8::from(*value).to_string()),
                value => in_radix(value, |n| format!("{n:b}")),
            },
        ),
        'o' => ("integers", in_radix(value, |n| format!("{n:o}"))),
        'x' | 'X' => ("integers, byte buffers, and strings", {
            let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let lower = match value {
                Value::String(text) => Some(bytes(text.as_bytes())),
                Value::Bytes(content) => Some(bytes(content)),
                value => in_radix(value, |n| format!("{n:x}")),
            };
            lower.map(|text| if verb == 'X' { text.to_uppercase() } else { text })
        }),
        other => return Err(EvaluateError::Failed(format!("unrecognized formatting clause \"{other}\""))),
    };
    let kind = match verb {
        's' => "string",
        'd' => "decimal",
        'f' => "fixed-point",
        'e' => "scientific",
        'b' => "binary",
        'o' => "octal",
        _ => "hex",
    };
    printed.ok_or_else(|| {
        let words = format!("{kind} clause can only be used on {allowed}, was given {}", value.type_name());
        EvaluateError::Failed(format!("error during formatting: {words}"))
    })
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(n) => Some((*n).into()),
        Value::Uint(n) => Some((*n).into()),
        _ => None,
    }
}

/// Negative numbers have a sign before their digits, as Go prints them.
fn in_radix(value: &Value, print: fn(u128) -> String) -> Option<String> {
    let n = whole(value)?;
    Some(format!("{}{}", if n < 0 { "-" } else { "" }, print(n.unsigned_abs())))
}

/// What `%s` makes of a value by itself.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::List(_) | Value::Map(_) => literal(value),
        Value::Null => Some("null".to_owned()),
        Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Bool(_) | Value::String(_) | Value::Bytes(_) => {
            value.printed()
        }
        Value::Timestamp(_) | Value::Duration(_) | Value::Type(_) => value.printed(),
        _ => None,
    }
}

/// A value within a list or map: as a literal of the language.
fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => go_quote(text),
        Value::Bytes(_) => format!("b{}", go_quote(&value.printed()?)),
        Value::Double(n) if n.is_finite() => format!("{n:.DEFAULT_PRECISION$}"),
        Value::Double(_) => go_quote(&value.printed()?),
        Value::Timestamp(_) => format!("timestamp({})", go_quote(&value.printed()?)),
        Value::Duration(_) => format!("duration({})", go_quote(&value.printed()?)),
        Value::List(list) => {
            let items: Option<Vec<String>> = list.iter().map(literal).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Map(map) => {
            let pair =
                |(key, value): (&crate::Key, &Value)| Some(format!("{}:{}", literal(&key.value())?, literal(value)?));
            let mut pairs = map.iter().map(pair).collect::<Option<Vec<String>>>()?;
            pairs.sort();
            format!("{{{}}}", pairs.join(", "))
        }
        other => return text_of(other),
    })
}

/// With commas between thousands.
fn fixed(number: f64, digits: usize) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "∞"
        } else {
            "-∞"
        }
        .to_owned();
    }
    let text = format!("{number:.digits$}");
    let (whole, fraction) = text.find('.').map_or((text.as_str(), ""), |at| text.split_at(at));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

/// `1.052033 × 10⁰³`, with narrow spaces.
fn scientific(number: f64, digits: usize) -> String {
    if !number.is_finite() {
        return fixed(number, digits);
    }
    let text = format!("{number:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(("", exponent), |exponent| ("⁻", exponent));
    let raised = |digit: char| digit.to_digit(10).and_then(|n| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(n as usize));
    let exponent: String = format!("{exponent:0>2}").chars().filter_map(raised).collect();
    format!("{mantissa}\u{202f}×\u{202f}10{sign}{exponent}")
}
