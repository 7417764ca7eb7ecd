//! Strategic merge patch: a merge patch that knows the type. Lists with a merge key merge by it, and directives in the
//! patch say what plain JSON cannot: `$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`.

mod list;
mod order;

use super::{PatchError, go_text, json_type};
use crate::schema::{PatchStrategy, Schema};
use serde_json::{Map, Value};

/// `$patch`: what to do with the map or list that it stands in.
const DIRECTIVE: &str = "$patch";
/// `$retainKeys`: which keys of the original stay.
const RETAIN_KEYS: &str = "$retainKeys";
/// `$deleteFromPrimitiveList/<list>`: scalars to take out of a list.
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";
/// `$setElementOrder/<list>`: the order that a list shall have afterwards.
const SET_ELEMENT_ORDER: &str = "$setElementOrder/";

const BAD_RETAIN_KEYS: PatchError = PatchError::BadFormat("invalid patch format of retainKeys");

/// Applies `patch` to `original`, an object of type `schema`.
///
/// # Errors
/// [`PatchError`] in upstream's words; a patch that is no map is a bad request.
pub fn apply(original: &Value, patch: &Value, schema: &Schema) -> Result<Value, PatchError> {
    let Value::Object(patch) = patch else {
        return Err(super::merge::not_a_map(patch));
    };
    let original = original.as_object().cloned().unwrap_or_default();
    merge_map(original, patch.clone(), Some(schema)).map(Value::Object)
}

/// What a patch may ask for in a map or an element of a list.
enum Directive {
    Delete,
    Replace,
    Merge,
}

/// The `$patch` of a map, if it has one.
fn directive(map: &Map<String, Value>) -> Result<Option<Directive>, PatchError> {
    let Some(value) = map.get(DIRECTIVE) else {
        return Ok(None);
    };
    match value.as_str() {
        Some("delete") => Ok(Some(Directive::Delete)),
        Some("replace") => Ok(Some(Directive::Replace)),
        Some("merge") => Ok(Some(Directive::Merge)),
        _ => Err(unknown_directive(value, map)),
    }
}

fn unknown_directive(value: &Value, map: &Map<String, Value>) -> PatchError {
    let map = go_text(&Value::Object(map.clone()));
    PatchError::Strategic(format!("unknown patch type: {} in map: {map}", go_text(value)))
}

fn no_merge_key(map: &Map<String, Value>, key: &str) -> PatchError {
    let map = go_text(&Value::Object(map.clone()));
    PatchError::Strategic(format!("map: {map} does not contain declared merge key: {key}"))
}

fn bad_type(expected: &str, value: &Value) -> PatchError {
    PatchError::Strategic(format!("expected a {expected}, but received a {}", json_type(value)))
}

/// The type and the patch strategy of a field; unknown fields and keys of maps have none.
fn lookup<'s>(schema: Option<&'s Schema>, key: &str) -> (Option<&'s Schema>, Option<&'s PatchStrategy>) {
    let Some(schema) = schema else { return (None, None) };
    match schema.field(key) {
        Some(field) => (Some(&field.schema), Some(&field.patch)),
        None => (schema.child(key), None),
    }
}

/// Lays the map `patch` over `original`.
fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    schema: Option<&Schema>,
) -> Result<Map<String, Value>, PatchError> {
    match directive(&patch)? {
        Some(Directive::Replace) => {
            patch.remove(DIRECTIVE);
            return Ok(patch);
        }
        Some(Directive::Delete) => return Ok(Map::new()),
        Some(Directive::Merge) => return Err(unknown_directive(&patch[DIRECTIVE], &patch)),
        None => {}
    }
    retain_keys(&mut original, &mut patch)?;
    order::set_element_orders(&mut original, &mut patch, schema)?;
    for (key, change) in patch {
        let (key, deletes) = match key.strip_prefix(DELETE_FROM_LIST) {
            Some("") => return Err(PatchError::BadFormat("invalid patch format of primitive list")),
            Some(list) => (list.to_owned(), true),
            None => (key, false),
        };
        if change.is_null() {
            original.remove(&key);
            continue;
        }
        let Some(was) = original.remove(&key) else {
            if !deletes && let Some(value) = without_directives(change) {
                original.insert(key, value);
            }
            continue;
        };
        let (child, strategy) = lookup(schema, &key);
        let value = match (was, change) {
            (Value::Object(was), Value::Object(change)) => {
                if strategy.is_some_and(|strategy| strategy.replace) {
                    Value::Object(change)
                } else {
                    Value::Object(merge_map(was, change, child)?)
                }
            }
            (Value::Array(was), Value::Array(change)) => {
                Value::Array(list::merge_field(was, change, child, strategy, deletes)?)
            }
            (was, _) if deletes => was,
            (_, change) => match without_directives(change) {
                Some(value) => value,
                None => continue,
            },
        };
        original.insert(key, value);
    }
    Ok(original)
}

/// `$retainKeys`: drops all other keys of the original. The patch must not set others either.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), PatchError> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(keys) = keys else {
        return Err(BAD_RETAIN_KEYS);
    };
    let retained = |key: &str| keys.iter().any(|retained| retained.as_str() == Some(key));
    let special = |key: &str| key.starts_with(DELETE_FROM_LIST) || key.starts_with(SET_ELEMENT_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !special(key) && !retained(key)) {
        return Err(BAD_RETAIN_KEYS);
    }
    original.retain(|key, _| retained(key));
    Ok(())
}

/// A value of the patch that meets nothing in the original: without nulls in its maps and without directives. `None`:
/// the directive was to delete it.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            if map.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
                return None;
            }
            let special = |key: &str| {
                key == DIRECTIVE
                    || key == RETAIN_KEYS
                    || key.starts_with(DELETE_FROM_LIST)
                    || key.starts_with(SET_ELEMENT_ORDER)
            };
            let kept = map.into_iter().filter(|(key, value)| !value.is_null() && !special(key));
            Some(Value::Object(kept.filter_map(|(key, value)| Some((key, without_directives(value)?))).collect()))
        }
        Value::Array(list) => {
            let marker =
                |item: &Value| item.as_object().is_some_and(|map| map.len() == 1 && map.contains_key(DIRECTIVE));
            let kept = list.into_iter().filter(|item| !marker(item));
            Some(Value::Array(kept.filter_map(without_directives).collect()))
        }
        scalar => Some(scalar),
    }
}

#[cfg(test)]
mod tests;
