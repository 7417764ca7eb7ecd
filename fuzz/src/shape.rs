//! Values in the shape of a schema, or nearly.

use crate::words::word;
use api::schema::{Kind, Object, Schema};
use arbitrary::Unstructured;
use serde_json::{Map, Value, json};

/// Deeper, only `null`: some types hold themselves.
const MAX_DEPTH: usize = 16;
/// Items of one list, entries of one map.
const MAX_ITEMS: u8 = 4;

/// A value in the shape of `schema`. One in 64 has another shape.
pub fn value(choices: &mut Unstructured<'_>, schema: &Schema) -> Value {
    shaped(choices, schema, 0)
}

/// Any value.
pub fn any(choices: &mut Unstructured<'_>) -> Value {
    any_at(choices, 0)
}

fn byte(choices: &mut Unstructured<'_>) -> u8 {
    choices.arbitrary().unwrap_or(0)
}

fn shaped(choices: &mut Unstructured<'_>, schema: &Schema, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let choice = byte(choices);
    if choice & 63 == 63 {
        return any_at(choices, depth);
    }
    let word_or = |choices: &mut Unstructured<'_>, usual: &[&str]| {
        if choice & 4 == 0 { word(choices) } else { usual[usize::from(choice >> 3) % usual.len()].to_owned() }
    };
    match &schema.kind {
        Kind::Object(object) => Value::Object(fields(choices, object, depth)),
        Kind::Map { values, .. } => {
            let count = choice % (MAX_ITEMS + 1);
            (0..count).map(|_| (word(choices), shaped(choices, values, depth + 1))).collect::<Map<_, _>>().into()
        }
        Kind::List { items, .. } => {
            (0..choice % (MAX_ITEMS + 1)).map(|_| shaped(choices, items, depth + 1)).collect::<Vec<_>>().into()
        }
        Kind::String if !schema.enum_values.is_empty() && choice & 4 == 0 => {
            let at = usize::from(byte(choices)) % schema.enum_values.len();
            (*schema.enum_values[at]).into()
        }
        Kind::String => word(choices).into(),
        Kind::Bytes => word_or(choices, &["", "YQ==", "YWJj", "////"]).into(),
        Kind::Int32 | Kind::Int64 => integer(choices),
        Kind::Number => number(choices),
        Kind::Bool => (choice & 1 == 1).into(),
        Kind::Quantity if choice & 2 == 2 => integer(choices),
        Kind::Quantity => word_or(choices, &["1", "100m", "1Gi", "0", "-1", "1e3", "0.1", "5Ei"]).into(),
        Kind::Time => word_or(choices, &["2024-01-01T00:00:00Z", "1999-12-31T23:59:60+14:00"]).into(),
        Kind::MicroTime => word_or(choices, &["2024-01-01T00:00:00.000001Z"]).into(),
        Kind::Duration => word_or(choices, &["1s", "1h2m3s", "0s", "-5m", "1ns"]).into(),
        Kind::IntOrString if choice & 2 == 2 => integer(choices),
        Kind::IntOrString => word_or(choices, &["50%", "http", "0", "200%"]).into(),
        Kind::RawExtension | Kind::FieldsV1 | Kind::Json => match &schema.json_object {
            Some(below) if choice & 3 != 3 => shaped(choices, below, depth + 1),
            _ => any_at(choices, depth + 1),
        },
    }
}

fn fields(choices: &mut Unstructured<'_>, object: &Object, depth: usize) -> Map<String, Value> {
    let mut map = Map::new();
    for field in &object.fields {
        let choice = byte(choices);
        // Past the end of the bytes all choices are 0: what must be there is, what may be is not.
        let wanted = if field.required { choice & 31 != 31 } else { choice & 3 == 3 };
        if wanted {
            map.insert(field.name.to_string(), shaped(choices, &field.schema, depth + 1));
        }
    }
    if byte(choices) & 31 == 31 {
        map.insert(word(choices), any_at(choices, depth + 1));
    }
    map
}

fn integer(choices: &mut Unstructured<'_>) -> Value {
    const NUMBERS: [i64; 16] =
        [0, 1, 2, 5, 30, 80, 443, 8080, 65535, 65536, -1, 30000, 2147483647, -2147483648, i64::MAX, i64::MIN];
    match byte(choices) {
        choice @ 0..128 => NUMBERS[usize::from(choice) % NUMBERS.len()].into(),
        choice @ 128..224 => (choice - 128).into(),
        _ => choices.arbitrary::<i64>().unwrap_or(0).into(),
    }
}

fn number(choices: &mut Unstructured<'_>) -> Value {
    match byte(choices) {
        0..160 => integer(choices),
        160..200 => json!(0.5),
        _ => json!(choices.arbitrary::<f64>().ok().filter(|float| float.is_finite())),
    }
}

fn any_at(choices: &mut Unstructured<'_>, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let choice = byte(choices);
    let count = (choice >> 4) % MAX_ITEMS;
    match choice & 15 {
        0 | 1 => Value::Null,
        2 => false.into(),
        3 => true.into(),
        4 | 5 => integer(choices),
        6 => number(choices),
        7..=10 => word(choices).into(),
        11 | 12 => (0..count).map(|_| any_at(choices, depth + 1)).collect::<Vec<_>>().into(),
        _ => (0..count).map(|_| (word(choices), any_at(choices, depth + 1))).collect::<Map<_, _>>().into(),
    }
}
