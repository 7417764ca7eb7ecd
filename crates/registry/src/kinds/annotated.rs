//! Lists that old clients write into annotations as JSON: what Go's decoder says of them.

use crate::At;
use api::field::ErrorList;
use serde_json::Value;

/// The list in an annotation, `None` when there is none. `path` blames whoever cannot be read, with the annotation's name.
pub(crate) fn annotated_list(
    annotations: &At,
    name: &str,
    go_type: &str,
    path: &At,
    errors: &mut ErrorList,
) -> Option<Value> {
    let text = annotations.key(name).str();
    if text.is_empty() {
        return None;
    }
    let wrong = match serde_json::from_str::<Value>(text) {
        Ok(list @ Value::Array(_)) => return Some(list),
        Ok(Value::Null) => return None,
        Ok(other) => {
            let kind = match other {
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                Value::Object(_) => "object",
                _ => "number",
            };
            format!("json: cannot unmarshal {kind} into Go value of type {go_type}")
        }
        Err(error) => api::codec::syntax_error(text.as_bytes()).unwrap_or_else(|| error.to_string()),
    };
    errors.push(path.invalid_value(name, wrong));
    None
}
