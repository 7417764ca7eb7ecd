//! A value against a [`Node`]: kube-openapi's `SchemaValidator`, with apiextensions' translation of its errors to fields.
//!
//! Every rule is tried, also where the type is wrong, in kube-openapi's order. An update does not complain of what was
//! there before (KEP-4008): a value that equals its old one is not looked at. Combinations (`allOf`, …) are in `combine`.

use super::combine;
use super::format;
use super::former::Former;
use super::node::{Additional, JsonType, Node};
use super::numbers;
use crate::field::{Error, ErrorList, Path};
use serde_json::{Map, Value};

/// What was found at one place and below.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Errors, with paths relative to the root of the value.
    pub(super) errors: Vec<Error>,
    /// How many checks were made: tells which of several alternatives came nearest.
    pub(super) checks: usize,
}

impl Outcome {
    pub(super) fn push(&mut self, error: Error) {
        self.errors.push(error);
    }

    pub(super) fn invalid(&mut self, path: &str, value: impl Into<Value>, words: String) {
        self.push(Error::invalid(&Path::new(path), value, words));
    }

    /// An error that upstream ties to no field.
    pub(super) fn loose(&mut self, words: String) {
        self.push(Error::invalid(&Path::default(), "", words));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.checks += other.checks;
    }
}

/// All that is wrong with `value`, with paths below `path`. `old` is the value that it replaces, for updates.
pub fn validate(node: &Node, value: &Value, old: Option<&Value>, path: &Path) -> ErrorList {
    let outcome = check(node, value, old.map(|old| Former::new(node, old)), "");
    let root = path.to_string();
    let root = if root == "<nil>" { "" } else { &root };
    let mut errors = outcome.errors;
    for error in &mut errors {
        let relative = error.field.strip_prefix('.').unwrap_or(&error.field);
        error.field = match (root, relative) {
            ("", "" | "<nil>") => "<nil>".to_owned(),
            ("", relative) => relative.to_owned(),
            (root, "" | "<nil>") => root.to_owned(),
            (root, relative) => format!("{root}.{relative}"),
        };
    }
    errors
}

pub(super) fn check(node: &Node, value: &Value, old: Option<Former<'_>>, path: &str) -> Outcome {
    let mut found = Outcome::default();
    if old.is_some_and(|old| old.is(value)) {
        return found;
    }
    check_type(node, value, path, &mut found);
    if value.is_null() {
        check_enum(node, value, path, &mut found);
        return found;
    }
    combine::check(node, value, old, path, &mut found);
    match value {
        Value::String(text) => {
            check_string(node, text, path, &mut found);
            if format::is_of_strings(&node.format) && !format::matches(&node.format, text) {
                let format = &node.format;
                let words = format!("{path} in body must be of type {format}: {}", crate::field::go_quote(text));
                found.push(Error::type_invalid(&Path::new(path), text.as_str(), words));
            }
        }
        Value::Number(number) => numbers::check(node, path, number, &mut found),
        Value::Array(list) => check_list(node, list, old, path, &mut found),
        _ => {}
    }
    check_enum(node, value, path, &mut found);
    if let Value::Object(map) = value {
        check_object(node, map, old, path, &mut found);
    }
    found.checks += 1;
    found
}

/// The JSON type of a value, as kube-openapi names it.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        // more than an i64 holds is a float64 in Go
        Value::Number(number) if number.as_i64().is_none() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Above it not every whole number has a float64 of its own (`swag.IsFloat64AJSONInteger`).
const MAX_JSON_INTEGER: f64 = 9_007_199_254_740_991.0;

fn check_type(node: &Node, value: &Value, path: &str, found: &mut Outcome) {
    let types: &[JsonType] = match (node.int_or_string, &node.kind) {
        (true, _) => &[JsonType::Integer, JsonType::String],
        (false, Some(kind)) => std::slice::from_ref(kind),
        (false, None) => return,
    };
    let wrong = |wanted: &str, is: &str| {
        let words = format!("{path} in body must be of type {wanted}: {is:?}");
        Error::type_invalid(&Path::new(path), is, words)
    };
    let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
    let wanted = names.join(",");
    if value.is_null() {
        if !node.nullable {
            found.push(wrong(&wanted, "null"));
        }
        return;
    }
    let is = type_of(value);
    let whole = value.as_f64().is_some_and(|n| n.fract() == 0.0 && n.abs() <= MAX_JSON_INTEGER);
    let fits = names.contains(&is)
        || (is == "number" && whole && types.contains(&JsonType::Integer))
        || (is == "integer" && types.contains(&JsonType::Number));
    if fits {
        found.checks += 1;
        return;
    }
    let numeric = types.iter().any(|kind| matches!(kind, JsonType::Number | JsonType::Integer));
    let textual = matches!(value, Value::String(_) | Value::Array(_));
    if !node.format.is_empty() && !textual {
        // kube-openapi compares formats where types differ; a value of no format has the empty one.
        let format = match value {
            Value::Number(number) if number.as_i64().is_none() => "float64",
            Value::Number(_) => "int64",
            _ => "",
        };
        found.push(wrong(&node.format, format));
    } else if !(textual && !numeric && !node.format.is_empty()) {
        found.push(wrong(&wanted, is));
    }
}

fn check_enum(node: &Node, value: &Value, path: &str, found: &mut Outcome) {
    if node.values.is_empty() || node.values.iter().any(|one| same(one, value)) {
        return;
    }
    let values: Vec<String> =
        node.values.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    found.push(Error::not_supported_as_listed(&Path::new(path), value.clone(), &values));
}

/// Equality of JSON: `1` and `1.0` are the same number.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn check_string(node: &Node, text: &str, path: &str, found: &mut Outcome) {
    let length = text.chars().count();
    if let Some(max) = node.max_length.filter(|max| length > *max) {
        found.push(Error::too_long(&Path::new(path), max));
    } else if let Some(min) = node.min_length.filter(|min| length < *min) {
        found.invalid(path, text, format!("{path} in body should be at least {min} chars long"));
    } else if let Some(pattern) = node.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        found.invalid(path, text, format!("{path} in body should match '{}'", pattern.source));
    }
}

fn check_list(node: &Node, list: &[Value], old: Option<Former<'_>>, path: &str, found: &mut Outcome) {
    if let Some(items) = &node.items {
        for (index, item) in list.iter().enumerate() {
            let old = old.and_then(|old| old.item(item));
            found.merge(check(items, item, old, &format!("{path}[{index}]")));
        }
    }
    if let Some(min) = node.min_items.filter(|min| list.len() < *min) {
        found.invalid(path, list.len(), format!("{path} in body should have at least {min} items"));
    }
    if let Some(max) = node.max_items.filter(|max| list.len() > *max) {
        found.push(Error::too_many(&Path::new(path), list.len(), max));
    }
    let repeats = || (1..list.len()).any(|at| list[..at].iter().any(|other| same(other, &list[at])));
    if node.unique_items && repeats() {
        let value = Value::from(list.to_vec());
        found.invalid(path, value, format!("{path} in body shouldn't contain duplicates"));
    }
}

fn check_object(node: &Node, map: &Map<String, Value>, old: Option<Former<'_>>, path: &str, found: &mut Outcome) {
    if let Some(min) = node.min_properties.filter(|min| map.len() < *min) {
        found.invalid(path, map.len(), format!("{path} in body should have at least {min} properties"));
        return;
    }
    if let Some(max) = node.max_properties.filter(|max| map.len() > *max) {
        found.push(Error::too_many(&Path::new(path), map.len(), max));
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in map {
        // Both sides have been converted to one version, so nobody can see whether these have changed.
        let is_type = path.is_empty() && matches!(key.as_str(), "apiVersion" | "kind");
        let old = old.filter(|_| !is_type).and_then(|old| old.key(key));
        match (node.properties.get(key), &node.additional) {
            (Some(property), _) => found.merge(check(property, value, old, &below(key))),
            (None, Additional::Of(values)) => {
                // kube-openapi puts a dot even where the path is empty; the translation takes it off.
                found.merge(check(values, value, old, &format!("{path}.{key}")));
            }
            (None, Additional::Forbidden) => {
                found.invalid(path, "", format!("{path}.{key} in body is a forbidden property"));
            }
            (None, Additional::Any | Additional::Unsaid) => {}
        }
    }
    for key in &node.required {
        if !map.contains_key(key) {
            found.push(Error::required(&Path::new(&format!("{path}.{key}")), ""));
        }
    }
}
