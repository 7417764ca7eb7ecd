//! Custom resources: fields that the schema does not have are dropped, and nothing else is asked. What has another type than
//! the schema says stays for the validation to refuse.

use super::conform::{Conformed, conform_value};
use super::conform_error::ConformError;
use super::place::{At, Step};
use super::yaml_scalar;
use crate::schema::{Kind, Object, Origin, Schema};
use serde_json::{Map, Value};

/// Prunes a value.
pub(super) fn prune(value: &mut Value, schema: &Schema, at: &At<'_>, found: &mut Conformed) {
    match (&schema.kind, value) {
        (Kind::Object(object), Value::Object(map)) => fields(map, object, at, found),
        (Kind::Map { values, .. }, Value::Object(map)) => {
            let keeps = found.keeps_nulls || values.nullable || matches!(values.kind, Kind::Json);
            map.retain(|_, item| keeps || !item.is_null());
            for (key, item) in map.iter_mut() {
                conform_value(item, values, &at.below(Step::Key(key)), found);
            }
        }
        (Kind::List { items, .. }, Value::Array(list)) => {
            for (index, item) in list.iter_mut().enumerate() {
                conform_value(item, items, &at.below(Step::Index(index)), found);
            }
        }
        (Kind::Json, value) => whole_numbers(value),
        // It has fields where its type has none.
        (_, value) => {
            prune_all(value, at, found);
            whole_numbers(value);
        }
    }
}

fn fields(map: &mut Map<String, Value>, object: &Object, at: &At<'_>, found: &mut Conformed) {
    map.retain(|key, value| {
        let below = at.below(Step::Field(key));
        match object.field(key) {
            None if object.preserve_unknown_fields => {
                whole_numbers(value);
                true
            }
            None => {
                found.add_unknown(&below);
                false
            }
            Some(field) => {
                // `metadata` is a Go struct even here.
                let go = field.schema.origin == Origin::Go;
                let step = if go { Step::GoRoot(key) } else { Step::Field(key) };
                let below = At { object: go.then_some(object), field: Some(field), step, ..below };
                match at.step {
                    _ if value.is_null() => {}
                    Step::Root => conform_value(value, &field.schema, &below, found),
                    _ if go => embedded(value, &field.schema, &below, found),
                    _ => conform_value(value, &field.schema, &below, found),
                }
                // A null that may not be is none (`PruneNonNullableNullsWithoutDefaults`, and defaulting).
                !value.is_null() || (!go && (found.keeps_nulls || field.schema.nullable))
            }
        }
    });
}

/// Type and metadata of an embedded resource, of which an error names the place and shows the whole.
fn embedded(value: &mut Value, schema: &Schema, at: &At<'_>, found: &mut Conformed) {
    let shown = value.clone();
    let mut inner = found.of_part();
    conform_value(value, schema, at, &mut inner);
    found.take_unknown(&mut inner);
    if found.misfits.is_full() {
        return;
    }
    if let Some(error) = inner.misfits.first() {
        let why = if schema.kind == Kind::String { "must be a string".to_owned() } else { error.to_string() };
        let path = at.path();
        let words = format!("{path}: Invalid value: {shown}: {why}");
        found.misfits.add(|| path, ConformError::Embedded(words), true);
    }
}

/// Drops every field of what has no schema.
fn prune_all(value: &mut Value, at: &At<'_>, found: &mut Conformed) {
    match value {
        Value::Object(map) => {
            for key in map.keys() {
                found.add_unknown(&at.below(Step::Field(key)));
            }
            map.clear();
        }
        Value::Array(list) => {
            for (index, item) in list.iter_mut().enumerate() {
                prune_all(item, &at.below(Step::Index(index)), found);
            }
        }
        _ => {}
    }
}

/// Go's decoder reads `1.0` as a float64, which its encoder writes as `1`.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => *number = yaml_scalar::integral(number.clone()),
        Value::Array(list) => list.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}
