//! The order of merged lists: what the patch or its `$setElementOrder` says comes first, the server's own elements keep
//! their places around it.

use super::{SET_ELEMENT_ORDER, bad_type, directive, list, lookup, no_merge_key, without_directives};
use crate::patch::{PatchError, go_text};
use crate::schema::Schema;
use serde_json::{Map, Value};

const BAD_ORDER: PatchError = PatchError::BadFormat("invalid patch format of setElementOrder list");

/// Carries out every `$setElementOrder/<list>` of a map together with the list's own changes, and takes both out of the
/// patch.
pub(super) fn set_element_orders(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    schema: Option<&Schema>,
) -> Result<(), PatchError> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ELEMENT_ORDER)).cloned().collect();
    for key in directives {
        let Some(order) = patch.remove(&key) else { continue };
        let Value::Array(order) = order else {
            return Err(BAD_ORDER);
        };
        let field = &key[SET_ELEMENT_ORDER.len()..];
        let (child, strategy) = lookup(schema, field);
        let merge_key = strategy.and_then(|strategy| strategy.merge_key.as_deref()).unwrap_or_default();
        let list_of = |value: Option<Value>| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(bad_type("list", &other)),
        };
        let change = list_of(patch.get(field).cloned())?;
        if let Some(change) = &change {
            check_order(change, &order, merge_key)?;
        }
        let was = list_of(original.get(field).cloned())?;
        let merged = match (&was, change) {
            (None, None) => continue,
            (Some(was), None) if patch.contains_key(field) => {
                // Set to null: nothing is left to order.
                let _ = was;
                continue;
            }
            (Some(was), None) => was.clone(),
            (None, Some(change)) => match without_directives(Value::Array(change)) {
                Some(Value::Array(list)) => list,
                _ => continue,
            },
            (Some(was), Some(change)) => list::merge_field(was.clone(), change, child, strategy, false)?,
        };
        let (of_patch, of_server) = partition(merged, &order, merge_key);
        let both = in_order(of_patch, of_server, &order, &was.unwrap_or_default(), merge_key);
        original.insert(field.to_owned(), Value::Array(both));
        patch.remove(field);
    }
    Ok(())
}

/// The elements of the patch must stand in the order list, in the same order. Deleted ones need not.
fn check_order(change: &[Value], order: &[Value], merge_key: &str) -> Result<(), PatchError> {
    let mut places = order.iter();
    for item in change {
        if let Value::Object(map) = item {
            if directive(map)?.is_some() {
                continue;
            }
            if !merge_key.is_empty() && !map.contains_key(merge_key) {
                return Err(no_merge_key(map, merge_key));
            }
        }
        if !places.any(|place| same(place, item, merge_key)) {
            return Err(PatchError::Strategic(format!(
                "The order in patch list:\n{}\n doesn't match {} list:\n{}\n",
                go_text(&Value::Array(change.to_vec())),
                SET_ELEMENT_ORDER.trim_end_matches('/'),
                go_text(&Value::Array(order.to_vec())),
            )));
        }
    }
    Ok(())
}

/// Whether two elements are the same one: by the merge key, or by value where there is none.
fn same(a: &Value, b: &Value, merge_key: &str) -> bool {
    if merge_key.is_empty() || !a.is_object() || !b.is_object() {
        return a == b;
    }
    a.get(merge_key).is_some_and(|key| b.get(merge_key) == Some(key))
}

/// Splits `merged` into the elements that `list` names and the others.
pub(super) fn partition(merged: Vec<Value>, list: &[Value], merge_key: &str) -> (Vec<Value>, Vec<Value>) {
    merged.into_iter().partition(|item| list.iter().any(|other| same(other, item, merge_key)))
}

/// Both kinds of elements in one list: those of the patch in its order, those of the server in theirs, each server
/// element before the first patch element that stood behind it on the server.
pub(super) fn in_order(
    of_patch: Vec<Value>,
    of_server: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: &str,
) -> Vec<Value> {
    let place = |order: &[Value], item: &Value| order.iter().position(|other| same(other, item, merge_key));
    let mut right = of_patch;
    right.sort_by_key(|item| place(patch_order, item));
    let mut left = of_server;
    left.sort_by_key(|item| place(server_order, item));

    let mut both = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(ours), Some(theirs)) = (left.peek(), right.peek()) {
        let before = match (place(server_order, ours), place(server_order, theirs)) {
            (Some(ours), Some(theirs)) => ours < theirs,
            _ => false,
        };
        both.extend(if before { left.next() } else { right.next() });
    }
    both.extend(left);
    both.extend(right);
    both
}
