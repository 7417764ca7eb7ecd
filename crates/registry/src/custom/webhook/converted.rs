//! One object as a webhook gives it back: what it must be like, and which of its metadata count.

use crate::At;
use crate::custom::{go_type, text};
use crate::labels::{validate_annotations, validate_labels};
use api::field::{ErrorList, aggregate};
use api::meta::{ObjectMeta, metadata_mut};
use serde_json::{Map, Value};

/// Why a webhook's answer is no conversion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// The answer as a whole is none, or says that it failed.
    #[error("conversion webhook for {kind} failed: {why}")]
    Failed {
        /// Version and kind of what was to be converted.
        kind: String,
        /// Upstream's words, or the webhook's.
        why: String,
    },
    /// More or fewer objects than were sent.
    #[error("conversion webhook for {kind} returned {got} objects, expected {expected}")]
    Count {
        /// As above.
        kind: String,
        /// How many came.
        got: usize,
        /// How many were sent.
        expected: usize,
    },
    /// What came back is no object.
    #[error("{0}")]
    NoObject(String),
    /// An object is not what was asked for.
    #[error("conversion webhook for {kind} returned invalid {what}: {why}")]
    Invalid {
        /// As above.
        kind: String,
        /// `object`, `object at index 0` or `metadata`.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// `example.com/v1, Kind=Widget`
pub(super) fn kind_of(object: &Value) -> String {
    format!("{}, Kind={}", text(object, "apiVersion"), text(object, "kind"))
}

/// One converted object: checked, and with the original's metadata but for labels and annotations.
pub(super) fn finish(original: &Value, mut object: Value, wanted: &str) -> Result<Value, ConversionError> {
    if text(&object, "kind").is_empty() {
        return Err(ConversionError::NoObject(format!("Object 'Kind' is missing in '{object}'")));
    }
    let invalid = |what, why| ConversionError::Invalid { kind: kind_of(original), what, why };
    let (version, kind) = (text(&object, "apiVersion"), text(&object, "kind"));
    if version != wanted {
        let why = format!("invalid groupVersion (expected {wanted}, received {version})");
        return Err(invalid("object at index 0", why));
    }
    if kind != text(original, "kind") {
        let why = format!("invalid kind (expected {}, received {kind})", text(original, "kind"));
        return Err(invalid("object at index 0", why));
    }
    for (what, before, after) in [
        ("name", original.name(), object.name()),
        ("namespace", original.namespace(), object.namespace()),
        ("UID", original.uid(), object.uid()),
    ] {
        if before != after {
            return Err(invalid("object", format!("must have the same {what}: {before} != {after}")));
        }
    }
    let metadata = restored(original, &object).map_err(|why| invalid("metadata", why))?;
    *metadata_mut(&mut object) = metadata;
    Ok(object)
}

/// `restoreObjectMeta`
fn restored(original: &Value, object: &Value) -> Result<Map<String, Value>, String> {
    let returned = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(other) => return Err(format!("invalid metadata of type {} in converted object", go_type(other))),
        None => return Err("missing metadata in converted object".to_owned()),
    };
    let mut metadata = original.metadata().clone();
    for (field, validate) in
        [("labels", validate_labels as fn(&At, &mut ErrorList)), ("annotations", validate_annotations)]
    {
        let Some(value) = returned.get(field).filter(|value| !value.is_null()) else {
            metadata.remove(field);
            continue;
        };
        let Value::Object(map) = value else {
            return Err(format!("invalid metadata.{field} of type {} in converted object", go_type(value)));
        };
        if let Some((key, value)) = map.iter().find(|(_, value)| !value.is_string()) {
            let got = go_type(value);
            return Err(format!("metadata.{field}[{key}] must be a string, but is {got} in converted object"));
        }
        if metadata.get(field) != Some(value) {
            let path = if field == "labels" { "metadata.labels" } else { "metadata.annotation" };
            let mut errors = ErrorList::new();
            validate(&At::named(path, Some(value)), &mut errors);
            if !errors.is_empty() {
                return Err(aggregate(&errors));
            }
        }
        metadata.insert(field.to_owned(), value.clone());
    }
    Ok(metadata)
}
