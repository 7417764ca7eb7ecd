//! Small verbs for changing objects in their generic form: what defaulting is written in.

use serde_json::{Map, Value};

/// The map at `map.<field>`, if there is one.
pub(crate) fn child<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    map.get_mut(field).and_then(Value::as_object_mut)
}

/// The map at `map.<field>`; made when it is missing or no map.
pub(crate) fn child_or_new<'a>(map: &'a mut Map<String, Value>, field: &str) -> &'a mut Map<String, Value> {
    let child = map.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    match child {
        Value::Object(child) => child,
        _ => unreachable!("made a map above"),
    }
}

/// The maps in the list at `map.<field>`.
pub(crate) fn children<'a>(
    map: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> + use<'a> {
    let list: &mut [Value] = match map.get_mut(field) {
        Some(Value::Array(list)) => list,
        _ => &mut [],
    };
    list.iter_mut().filter_map(Value::as_object_mut)
}

/// Sets a field that is missing or `null`.
pub(crate) fn default(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), value.into());
    }
}

/// Sets a string field that is missing or empty, as Go's defaulting does for strings that are no pointers.
pub(crate) fn default_str(map: &mut Map<String, Value>, field: &str, value: &str) {
    if str_at(map, field).is_empty() {
        map.insert(field.to_owned(), value.into());
    }
}

/// Sets an integer field that is missing or 0, as Go's defaulting does for integers that are no pointers.
pub(crate) fn default_int(map: &mut Map<String, Value>, field: &str, value: i64) {
    if map.get(field).and_then(Value::as_i64).unwrap_or(0) == 0 {
        map.insert(field.to_owned(), value.into());
    }
}

/// The string at `map.<field>`; empty when missing.
pub(crate) fn str_at<'a>(map: &'a Map<String, Value>, field: &str) -> &'a str {
    map.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Puts `value` in the place of `field`, or takes the field away.
pub(crate) fn put(map: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(field.to_owned(), value),
        None => map.remove(field),
    };
}

/// Keeps `field` of an object as it was in another. Mostly nobody has changed it: to see that costs less than a copy.
pub(crate) fn keep(new: &mut Value, old: &Value, field: &str) {
    let Value::Object(new) = new else { return };
    let was = old.get(field);
    if new.get(field) != was {
        put(new, field, was.cloned());
    }
}

/// All of metadata that a client may change.
pub(crate) const WRITABLE_METADATA: [&str; 4] = ["labels", "annotations", "finalizers", "ownerReferences"];

/// Keeps these fields of metadata where it is the status that is written: some kinds' endpoint for it puts them back
/// (`ResetObjectMetaForStatus`), most let it change them.
pub(crate) fn keep_metadata_of_status(
    new: &mut Value,
    old: &Value,
    subresource: Option<crate::Subresource>,
    fields: &[&str],
) {
    if subresource != Some(crate::Subresource::Status) {
        return;
    }
    if let (Some(new), Some(old)) = (new.get_mut("metadata"), old.get("metadata")) {
        fields.iter().for_each(|field| keep(new, old, field));
    }
}

/// Sets `status` of a new object to what Go writes for an empty one.
pub(crate) fn reset_status(object: &mut Value, zero: Value) {
    if let Value::Object(map) = object {
        map.insert("status".to_owned(), zero);
    }
}

/// `ValidateImmutableField`
pub(crate) fn validate_immutable(new: &crate::At, old: &crate::At, errors: &mut api::field::ErrorList) {
    if new.value() != old.value() {
        errors.push(new.invalid("field is immutable"));
    }
}

/// The same of a Go struct, quoted as the internal form of `definition`.
pub(crate) fn validate_immutable_struct(
    new: &crate::At,
    old: &crate::At,
    definition: &str,
    errors: &mut api::field::ErrorList,
) {
    if new.value() != old.value() {
        errors.push(new.invalid_struct(definition, "field is immutable"));
    }
}
