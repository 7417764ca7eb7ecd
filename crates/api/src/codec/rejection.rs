//! The `Status` for bodies that cannot be decoded, in the words of upstream's `runtime` package and create handler.

use super::DecodeError;
use crate::status::Status;
use serde_json::Value;

/// How many bytes of a body an error quotes.
const EXCERPT_BYTES: usize = 30;

/// The object in the body has no type that can be known: broken JSON or YAML, or `kind` is no string.
pub fn unrecognized(wanted_kind: &str, why: &str, body: &[u8]) -> Status {
    let excerpt = excerpt(body);
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {wanted_kind}): {why} ({excerpt})"
    ))
}

/// The body is not even JSON or YAML: [`unrecognized`] with the words that upstream puts before JSON's errors.
pub fn undecodable(wanted_kind: &str, error: &DecodeError, body: &[u8]) -> Status {
    let why = match error {
        DecodeError::Yaml(words) => words.clone(),
        other => format!("couldn't get version/kind; json parse error: {other}"),
    };
    unrecognized(wanted_kind, &why, body)
}

/// Bodies that start like JSON are quoted as they are, others in hexadecimal digits.
fn excerpt(body: &[u8]) -> String {
    if body.is_empty() {
        return "<empty>".to_owned();
    }
    let start = &body[..body.len().min(EXCERPT_BYTES)];
    let mut text = if body[0] == b'{' {
        String::from_utf8_lossy(start).into_owned()
    } else {
        start.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    if body.len() > EXCERPT_BYTES {
        text.push_str(" ...");
    }
    text
}

/// The object has a type, but is not what the path takes, or does not decode as it.
pub fn cannot_be_handled(kind: &str, version: &str, wanted_kind: &str, why: &str) -> Status {
    Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {wanted_kind}: {why}"))
}

/// The words around strict errors under `fieldValidation=Strict`.
pub fn strict_decoding_error(errors: &[String]) -> String {
    format!("strict decoding error: {}", errors.join(", "))
}

/// What the decoder of YAML says before the keys that came twice.
const YAML_ERRORS: &str = "yaml: unmarshal errors:\n";

/// Strict errors as warnings: of YAML one for each key that came twice.
pub fn strict_warnings(errors: Vec<String>) -> Vec<String> {
    let lines = |error: String| match error.strip_prefix(YAML_ERRORS) {
        Some(lines) => lines.lines().map(|line| line.trim().to_owned()).collect(),
        None => vec![error],
    };
    errors.into_iter().flat_map(lines).collect()
}

/// The words for what is no object where Go's decoder wants a map.
pub fn no_map(value: &Value) -> Option<String> {
    let is_map = matches!(value, Value::Object(_) | Value::Null);
    (!is_map).then(|| {
        let word = json_word(value);
        format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {word} into Go value of type map[string]interface {{}}")
    })
}

/// A JSON type as Go's decoder calls it.
fn json_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `apiVersion` and `kind` of a decoded body, empty where missing.
///
/// # Errors
/// The words for [`unrecognized`] when the body is no object or one of the two is no string.
pub fn type_meta(value: &Value) -> Result<(&str, &str), String> {
    const TYPE: &str =
        r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    let parse_error =
        |what: String| format!("couldn't get version/kind; json parse error: json: cannot unmarshal {what}");
    let field = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(parse_error(format!("{} into Go struct field .{name} of type string", json_word(other)))),
    };
    match value {
        Value::Object(_) | Value::Null => Ok((field("apiVersion")?, field("kind")?)),
        other => Err(parse_error(format!("{} into Go value of type {TYPE}", json_word(other)))),
    }
}
