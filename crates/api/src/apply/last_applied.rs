//! The way from client-side to server-side apply: the annotation that `kubectl apply` keeps, and what it allows.

use super::Writer;
use super::compare::compare;
use super::fields_of::fields_of;
use super::typed::Typed;
use crate::fieldset::Set;
use crate::meta::{ObjectMeta, child_mut, metadata_mut};
use serde_json::Value;

/// The manager of `kubectl apply --server-side`, the only one that the annotation matters for.
pub(super) const KUBECTL: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// All annotations of an object together, in bytes of keys and values; upstream's `TotalAnnotationSizeLimitB`.
const MAX_ANNOTATION_BYTES: usize = 256 << 10;

fn annotation(object: &Value) -> Option<&str> {
    object.annotations().get(ANNOTATION).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The fields that client-side apply set and that are still as it set them: kubectl may take these over from their
/// owners without a conflict.
pub(super) fn still_as_applied(writer: &Writer<'_>, live: &Value) -> Option<Set> {
    let last: Value = serde_json::from_str(annotation(live)?).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(writer.api_version) {
        return None;
    }
    let typed = Typed::root(writer.schema);
    if super::validate::validate(typed, &last).is_some() {
        return None;
    }
    let comparison = compare(typed, &last, live);
    let fields = fields_of(typed, &last);
    Some(fields.difference(&comparison.modified).difference(&comparison.added).difference(&comparison.removed))
}

/// Keeps the annotation in step, so that a later client-side apply knows what was applied. Objects without it stay
/// without it; one that would become too large loses it.
pub(super) fn sync(object: &mut Value, config: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut applied = config.clone();
    if let Some(Value::Object(annotations)) = metadata_mut(&mut applied).get_mut("annotations") {
        annotations.remove(ANNOTATION);
    }
    let text = go_json_line(&applied);
    let metadata = metadata_mut(object);
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else {
        return;
    };
    annotations.insert(ANNOTATION.to_owned(), text.into());
    let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if bytes > MAX_ANNOTATION_BYTES {
        annotations.remove(ANNOTATION);
    }
    if annotations.is_empty() {
        child_mut(object, "metadata").remove("annotations");
    }
}

/// JSON as Go's encoder writes it: sorted keys, `<`, `>`, `&` escaped, a newline behind.
fn go_json_line(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => text.push(other),
        }
    }
    text.push('\n');
    text
}
