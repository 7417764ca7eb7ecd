//! Lists in strategic merge patches: replaced, merged as sets of scalars, or merged by a key.

use super::order::{in_order, partition};
use super::{Directive, directive, merge_map, no_merge_key, without_directives};
use crate::patch::PatchError;
use crate::schema::{PatchStrategy, Schema};
use serde_json::{Map, Value};

/// The value of a list field after the patch. `deletes`: the patch names scalars to take out.
pub(super) fn merge_field(
    original: Vec<Value>,
    patch: Vec<Value>,
    schema: Option<&Schema>,
    strategy: Option<&PatchStrategy>,
    deletes: bool,
) -> Result<Vec<Value>, PatchError> {
    if !deletes && !strategy.is_some_and(|strategy| strategy.merge) {
        return Ok(patch);
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if original.iter().chain(&patch).any(Value::is_array) {
        return Err(PatchError::ListOfLists);
    }
    let merge_key = strategy.and_then(|strategy| strategy.merge_key.as_deref()).unwrap_or_default();
    let of_maps = original.iter().chain(&patch).any(Value::is_object);
    if !of_maps {
        return Ok(merge_scalars(original, patch, deletes));
    }
    if merge_key.is_empty() {
        return Err(PatchError::Strategic("cannot merge lists without merge key for list of maps".to_owned()));
    }
    let (original, patch) = without_special_elements(original, patch, merge_key)?;
    let items = schema.and_then(Schema::items);
    let merged = merge_maps(original.clone(), &patch, merge_key, items)?;
    let (of_patch, of_server) = partition(merged, &patch, merge_key);
    Ok(in_order(of_patch, of_server, &patch, &original, merge_key))
}

fn merge_scalars(mut original: Vec<Value>, patch: Vec<Value>, deletes: bool) -> Vec<Value> {
    if deletes {
        original.retain(|item| !patch.contains(item));
        return original;
    }
    let mut merged: Vec<Value> = Vec::with_capacity(original.len() + patch.len());
    for item in original.iter().chain(&patch) {
        if !merged.contains(item) {
            merged.push(item.clone());
        }
    }
    let (of_patch, of_server) = partition(merged, &patch, "");
    in_order(of_patch, of_server, &patch, &original, "")
}

/// Carries out the elements that are directives: `{"name": "x", "$patch": "delete"}` and `{"$patch": "replace"}`.
/// Returns the original and the patch without them.
fn without_special_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replaces = false;
    for item in patch {
        let Value::Object(map) = &item else {
            return Err(super::bad_type("map", &item));
        };
        match directive(map)? {
            None => plain.push(item),
            Some(Directive::Replace) => replaces = true,
            Some(Directive::Merge) => {
                return Err(PatchError::Strategic("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(Directive::Delete) => {
                let key = map.get(merge_key).ok_or_else(|| no_merge_key(map, merge_key))?;
                original.retain(|item| item.get(merge_key) != Some(key));
            }
        }
    }
    Ok(if replaces { (plain, Vec::new()) } else { (original, plain) })
}

fn merge_maps(
    mut original: Vec<Value>,
    patch: &[Value],
    merge_key: &str,
    items: Option<&Schema>,
) -> Result<Vec<Value>, PatchError> {
    for item in patch {
        let Value::Object(change) = item else {
            return Err(super::bad_type("map", item));
        };
        let key = change.get(merge_key).ok_or_else(|| no_merge_key(change, merge_key))?;
        match original.iter_mut().find(|item| item.get(merge_key) == Some(key)) {
            Some(Value::Object(was)) => {
                let merged: Map<String, Value> = merge_map(std::mem::take(was), change.clone(), items)?;
                *was = merged;
            }
            _ => original.extend(without_directives(item.clone())),
        }
    }
    Ok(original)
}
