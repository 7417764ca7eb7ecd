//! Checks an applied configuration against its type, in the words of structured-merge-diff (Go's spelling of values
//! included: `expected string, got &value.valueUnstructured{Value:1}`).

use super::typed::{Shape, Typed, list_element};
use crate::fieldset::PathElement;
use crate::patch::go_text;
use crate::schema::{Kind, ListType, Origin};
use serde_json::Value;

/// All that is wrong with `value`, as one text; `None` when nothing is.
pub(super) fn validate(typed: Typed<'_>, value: &Value) -> Option<String> {
    let mut errors = Vec::new();
    walk(typed, value, &mut Vec::new(), &mut errors);
    match errors.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        many => {
            let lines: Vec<String> = many.iter().map(|line| format!("  {line}")).collect();
            Some(format!("errors:\n{}", lines.join("\n")))
        }
    }
}

/// What a type accepts.
enum Accepts {
    Anything,
    Text,
    Numeric,
    Boolean,
    Scalar,
    Map,
    List,
}

fn accepts(typed: Typed<'_>) -> Accepts {
    let Typed::Known(schema, _) = typed else {
        return Accepts::Anything;
    };
    match &schema.kind {
        Kind::Object(_) | Kind::Map { .. } | Kind::RawExtension | Kind::FieldsV1 => Accepts::Map,
        Kind::List { .. } => Accepts::List,
        Kind::String | Kind::Bytes | Kind::Duration => Accepts::Text,
        Kind::Int32 | Kind::Int64 | Kind::Number => Accepts::Numeric,
        Kind::Bool => Accepts::Boolean,
        // a custom resource's own schema says no more, and validation has the better words
        Kind::IntOrString if schema.origin == Origin::Structural => Accepts::Anything,
        Kind::Quantity | Kind::Time | Kind::MicroTime | Kind::IntOrString => Accepts::Scalar,
        Kind::Json => Accepts::Anything,
    }
}

fn walk(typed: Typed<'_>, value: &Value, path: &mut Vec<PathElement>, errors: &mut Vec<String>) {
    let wrong = match (accepts(typed), value) {
        (_, Value::Null)
        | (Accepts::Anything, _)
        | (Accepts::Text, Value::String(_))
        | (Accepts::Numeric, Value::Number(_))
        | (Accepts::Boolean, Value::Bool(_))
        | (Accepts::Scalar, Value::String(_) | Value::Number(_) | Value::Bool(_))
        | (Accepts::Map, Value::Object(_))
        | (Accepts::List, Value::Array(_)) => None,
        (Accepts::Text, _) => {
            Some(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)))
        }
        (Accepts::Numeric, _) => Some(format!("expected numeric (int or float), got {}", go_type(value))),
        (Accepts::Boolean, _) => Some(format!("expected boolean, got &{{{}}}", go_text(value))),
        (Accepts::Scalar, _) => Some(format!("expected any scalar, got &{{{}}}", go_text(value))),
        (Accepts::Map, _) => Some(format!("expected map, got &{{{}}}", go_text(value))),
        (Accepts::List, _) => Some(format!("expected list, got &{{{}}}", go_text(value))),
    };
    if let Some(words) = wrong {
        report(path, &words, errors);
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push(PathElement::field(key));
                match typed.child(key) {
                    Some((child, _)) => walk(child, value, path, errors),
                    None => report(path, "field not declared in schema", errors),
                }
                path.pop();
            }
        }
        Value::Array(list) => walk_list(typed, value, list, path, errors),
        _ => {}
    }
}

fn walk_list(typed: Typed<'_>, value: &Value, list: &[Value], path: &mut Vec<PathElement>, errors: &mut Vec<String>) {
    let (items, list_type) = match typed.shape(value) {
        Shape::List(items, list_type) => (items, list_type),
        _ => match typed {
            Typed::Known(schema, _) => match schema.items() {
                Some(items) => (Typed::Known(items, None), &ListType::Atomic),
                None => return,
            },
            Typed::Untyped => return,
        },
    };
    let mut seen: Vec<PathElement> = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let element = if *list_type == ListType::Atomic {
            PathElement::index(index)
        } else {
            match list_element(items, list_type, item) {
                Ok(element) => element,
                Err(words) => {
                    report(path, &format!("element {index}: {words}"), errors);
                    return;
                }
            }
        };
        if *list_type != ListType::Atomic {
            if seen.contains(&element) {
                let mut key = String::new();
                crate::fieldset::push_element(&mut key, &element);
                report(path, &format!("duplicate entries for key {key}"), errors);
            }
            seen.push(element.clone());
        }
        path.push(element);
        walk(items, item, path, errors);
        path.pop();
    }
}

fn report(path: &[PathElement], words: &str, errors: &mut Vec<String>) {
    let path = crate::fieldset::display_path(path);
    errors.push(if path.is_empty() { words.to_owned() } else { format!("{path}: {words}") });
}

/// Go's `%T` of a decoded value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Go's `%#v` of a decoded value.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let items: Vec<String> = map.iter().map(|(key, value)| format!("{key:?}:{}", go_syntax(value))).collect();
            format!("map[string]interface {{}}{{{}}}", items.join(", "))
        }
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
