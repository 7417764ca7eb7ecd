//! The text of Go's `RawExtension` fields that upstream compares byte by byte: the data of controller revisions.
//!
//! Objects are values here, and two texts of one value are the same. Upstream keeps such a field as it was sent, and every
//! patch writes it anew without white space, so that a patch of a revision that was sent with white space changes its
//! immutable data, and is refused. So a text with white space is stored as it was sent, which is JSON as well; without, it
//! is stored as everything else is, and compared as a value.

use crate::call::Call;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// The text of a field of an object, where it has white space between its tokens. Line breaks become spaces: events of
/// watches are told apart by them.
pub fn spaced(object: &[u8], field: &str) -> Option<String> {
    let fields: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(object).ok()?;
    let text = fields.get(field)?.get();
    has_space(text).then(|| text.replace(['\n', '\r', '\t'], " "))
}

/// What a request's body sends for the field that the row's strategy names.
pub fn sent(call: &Call<'_>) -> Option<String> {
    let field = call.row.strategy.raw_field()?;
    // YAML becomes JSON without white space, and protobuf has its own.
    if matches!(call.content_type(), "" | "application/json") { spaced(&call.body, field) } else { None }
}

/// Whether there is white space outside of strings.
fn has_space(text: &str) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    text.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        !in_string && byte.is_ascii_whitespace()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_between_tokens_counts() {
        let of = |object: &str| spaced(object.as_bytes(), "data");
        assert_eq!(of(r#"{ "data":{"a b":"c\" d"} , "x": 1}"#), None);
        assert_eq!(of("{\"data\":{\"a\":\n[1]}}"), Some("{\"a\": [1]}".to_owned()));
        assert_eq!(of(r#"{"other": {"data": 1}}"#), None);
        assert_eq!(of("rubbish"), None);
    }
}
