//! Functions on texts and lists.

use super::{Outcome, failed};
use crate::evaluate::EvaluateError;
use crate::value::Value;
use api::structural::Pattern;
use std::cmp::Ordering;
use std::sync::Arc;

fn list_of(texts: impl Iterator<Item = String>) -> Value {
    Value::List(Arc::new(texts.map(|text| Value::text(&text)).collect()))
}

fn position(found: Option<usize>) -> Value {
    Value::Int(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))
}

/// Functions on a text.
pub(super) fn method(name: &str, target: &Value, args: &[Value]) -> Outcome {
    let Value::String(text) = target else { return Err(EvaluateError::NoOverload) };
    match (name, args) {
        ("startsWith", [Value::String(other)]) => Ok(Value::Bool(text.starts_with(&**other))),
        ("endsWith", [Value::String(other)]) => Ok(Value::Bool(text.ends_with(&**other))),
        ("contains", [Value::String(other)]) => Ok(Value::Bool(text.contains(&**other))),
        ("matches" | "find" | "findAll", [Value::String(source), ..]) => search(name, text, source, &args[1..]),
        ("lowerAscii", []) => Ok(Value::text(&text.to_ascii_lowercase())),
        ("upperAscii", []) => Ok(Value::text(&text.to_ascii_uppercase())),
        ("trim", []) => Ok(Value::text(text.trim())),
        ("replace", [Value::String(old), Value::String(new)]) => Ok(Value::text(&text.replace(&**old, new))),
        ("replace", [Value::String(old), Value::String(new), Value::Int(most)]) => Ok(match usize::try_from(*most) {
            Ok(most) => Value::text(&text.replacen(&**old, new, most)),
            Err(_) => Value::text(&text.replace(&**old, new)),
        }),
        ("split", [Value::String(separator)]) => Ok(split(text, separator, None)),
        ("split", [Value::String(separator), Value::Int(most)]) => {
            Ok(split(text, separator, usize::try_from(*most).ok()))
        }
        ("charAt" | "substring", args) => part(name, text, args),
        ("indexOf" | "lastIndexOf", [Value::String(wanted), rest @ ..]) => index(name, text, wanted, rest),
        ("format", [Value::List(values)]) => super::format::format(text, values),
        _ => Err(EvaluateError::NoOverload),
    }
}

fn split(text: &str, separator: &str, most: Option<usize>) -> Value {
    let all: Vec<String> = match (separator, most) {
        (_, Some(0)) => Vec::new(),
        ("", None) => text.chars().map(String::from).collect(),
        (separator, None) => text.split(separator).map(str::to_owned).collect(),
        (separator, Some(most)) => text.splitn(most, separator).map(str::to_owned).collect(),
    };
    list_of(all.into_iter())
}

pub(super) fn is_pattern(source: &str) -> bool {
    Pattern::compile(source).is_ok()
}

fn search(name: &str, text: &str, source: &str, rest: &[Value]) -> Outcome {
    let pattern = match Pattern::compile(source) {
        Ok(pattern) => pattern,
        Err(error) => return failed(error.to_string()),
    };
    match (name, rest) {
        ("matches", []) => Ok(Value::Bool(pattern.is_match(text))),
        ("find", []) => Ok(Value::text(pattern.regex().find(text).map_or("", |found| found.as_str()))),
        ("findAll", []) => Ok(list_of(pattern.regex().find_iter(text).map(|found| found.as_str().to_owned()))),
        ("findAll", [Value::Int(most)]) => {
            let most = usize::try_from(*most).unwrap_or(usize::MAX);
            Ok(list_of(pattern.regex().find_iter(text).take(most).map(|found| found.as_str().to_owned())))
        }
        _ => Err(EvaluateError::NoOverload),
    }
}

fn part(name: &str, text: &str, args: &[Value]) -> Outcome {
    let characters: Vec<char> = text.chars().collect();
    let at = |value: &Value| match value {
        Value::Int(at) => usize::try_from(*at).ok().filter(|at| *at <= characters.len()),
        _ => None,
    };
    let out_of_range = |value: &Value| failed(format!("index out of range: {}", value.printed().unwrap_or_default()));
    match (name, args) {
        ("charAt", [index]) => match at(index) {
            Some(at) => Ok(Value::text(&characters.get(at).map(char::to_string).unwrap_or_default())),
            None => out_of_range(index),
        },
        ("substring", [start]) => match at(start) {
            Some(start) => Ok(Value::text(&characters[start..].iter().collect::<String>())),
            None => out_of_range(start),
        },
        ("substring", [start, end]) => match (at(start), at(end)) {
            (Some(from), Some(to)) if from <= to => Ok(Value::text(&characters[from..to].iter().collect::<String>())),
            (Some(_), Some(_)) => failed("invalid substring range"),
            (None, _) => out_of_range(start),
            (_, None) => out_of_range(end),
        },
        _ => Err(EvaluateError::NoOverload),
    }
}

fn index(name: &str, text: &str, wanted: &str, rest: &[Value]) -> Outcome {
    let characters: Vec<char> = text.chars().collect();
    let wanted: Vec<char> = wanted.chars().collect();
    let holds = |at: &usize| characters[*at..].starts_with(&wanted);
    let last = characters.len().saturating_sub(wanted.len());
    let start = match rest {
        [] => None,
        [Value::Int(at)] => match usize::try_from(*at) {
            Ok(at) if at <= characters.len() => Some(at),
            _ => return failed(format!("index out of range: {at}")),
        },
        _ => return Err(EvaluateError::NoOverload),
    };
    Ok(position(if wanted.len() > characters.len() {
        None
    } else if name == "indexOf" {
        (start.unwrap_or(0)..=last).find(holds)
    } else {
        (0..=start.unwrap_or(last).min(last)).rev().find(holds)
    }))
}

/// Functions on a list.
pub(super) fn list_method(name: &str, list: &Arc<Vec<Value>>, args: &[Value]) -> Outcome {
    match (name, args) {
        ("join", rest) => {
            let separator = match rest {
                [] => "",
                [Value::String(separator)] => separator,
                _ => return Err(EvaluateError::NoOverload),
            };
            let texts: Option<Vec<&str>> =
                list.iter().map(|item| if let Value::String(text) = item { Some(&**text) } else { None }).collect();
            texts.map_or(Err(EvaluateError::NoOverload), |texts| Ok(Value::text(&texts.join(separator))))
        }
        ("isSorted", []) => {
            Ok(Value::Bool(list.windows(2).all(|pair| pair[0].compare(&pair[1]).is_none_or(Ordering::is_le))))
        }
        ("indexOf", [wanted]) => Ok(position(list.iter().position(|item| item.equals(wanted)))),
        ("lastIndexOf", [wanted]) => Ok(position(list.iter().rposition(|item| item.equals(wanted)))),
        ("first" | "last", []) => {
            let found = if name == "first" { list.first() } else { list.last() };
            Ok(Value::Optional(found.cloned().map(Box::new)))
        }
        ("min" | "max", []) => match list.first() {
            Some(_) => super::extreme(if name == "min" { Ordering::Less } else { Ordering::Greater }, list),
            None => failed(format!("{name} called on empty list")),
        },
        ("sum", []) => {
            let mut items = list.iter();
            let Some(first) = items.next() else { return Ok(Value::Int(0)) };
            items.try_fold(first.clone(), |sum, item| super::arithmetic("_+_", &sum, item))
        }
        ("reverse", []) => Ok(Value::List(Arc::new(list.iter().rev().cloned().collect()))),
        ("sort", []) => {
            let mut sorted = (**list).clone();
            sorted.sort_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
            Ok(Value::List(Arc::new(sorted)))
        }
        ("distinct", []) => {
            let mut distinct: Vec<Value> = Vec::new();
            for item in list.iter() {
                if !distinct.iter().any(|other| other.equals(item)) {
                    distinct.push(item.clone());
                }
            }
            Ok(Value::List(Arc::new(distinct)))
        }
        ("slice", [Value::Int(start), Value::Int(end)]) => {
            let at = |n: &i64| usize::try_from(*n).ok();
            let found = at(start).zip(at(end)).and_then(|(start, end)| list.get(start..end));
            found.map_or_else(
                || failed("cannot slice: index out of range"),
                |part| Ok(Value::List(Arc::new(part.to_vec()))),
            )
        }
        ("unwrapOpt", []) => unwrapped(list),
        ("flatten", []) => Ok(Value::List(Arc::new(flatten(list, 1)))),
        ("flatten", [Value::Int(depth)]) => usize::try_from(*depth).map_or_else(
            |_| failed("level must be non-negative"),
            |depth| Ok(Value::List(Arc::new(flatten(list, depth.min(api::codec::MAX_DEPTH))))),
        ),
        _ => Err(EvaluateError::NoOverload),
    }
}

/// What the optionals of a list hold.
pub(super) fn unwrapped(list: &[Value]) -> Outcome {
    let mut held = Vec::new();
    for item in list {
        match item {
            Value::Optional(inner) => held.extend(inner.as_deref().cloned()),
            _ => return Err(EvaluateError::NoOverload),
        }
    }
    Ok(Value::List(Arc::new(held)))
}

fn flatten(list: &[Value], depth: usize) -> Vec<Value> {
    let mut flat = Vec::new();
    for item in list {
        match item {
            Value::List(inner) if depth > 0 => flat.extend(flatten(inner, depth - 1)),
            other => flat.push(other.clone()),
        }
    }
    flat
}
