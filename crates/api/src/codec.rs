//! From bytes to objects and back: JSON, YAML, the shape that a [`Schema`](crate::schema::Schema) demands, and defaults.
//!
//! [`decode_json`] and [`decode_yaml`] make a plain value; [`conform`] makes it what Go's typed decoder and encoder would
//! have made of it. Errors are in upstream's words, or Go's where upstream quotes Go.

mod base64_text;
mod conform;
mod conform_error;
mod converter;
mod defaults;
mod encode;
mod go_json;
mod json;
mod misfit;
mod place;
mod rejection;
mod storage;
mod structural;
mod yaml;
mod yaml_emit;
mod yaml_error;
mod yaml_plain;
mod yaml_scalar;
mod zero;

pub use conform::{Conformed, conform, conform_applied, conform_document};
pub use conform_error::ConformError;
pub use defaults::apply_defaults;
pub use encode::{encode_json, encode_yaml};
pub use go_json::syntax_error;
pub use json::decode_json;
pub use rejection::{
    cannot_be_handled, no_map, strict_decoding_error, strict_warnings, type_meta, undecodable, unrecognized,
};
pub use storage::forget_empty;
pub use yaml::decode_yaml;

use serde_json::Value;

/// How deep objects may nest. It is the limit of serde_json's parser, so that no stack overflows; real objects have some 20 levels.
pub const MAX_DEPTH: usize = 127;
/// How many strict errors are reported for one object; upstream's limit.
pub const MAX_STRICT_ERRORS: usize = 100;

/// What stood in a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The value; of duplicate keys the last.
    pub value: Value,
    /// Upstream's words for keys that came twice, in the order of the document. Reported or refused as `fieldValidation` says.
    pub duplicates: Vec<String>,
}

/// Why a body is no value; the words are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("{0}")]
    Json(String),
    /// Not YAML, or YAML that is not JSON.
    #[error("{0}")]
    Yaml(String),
    /// A number that no float64 can hold.
    #[error("json: cannot unmarshal number {0} into Go value of type float64")]
    Number(String),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("exceeded max depth")]
    TooDeep,
}

/// Decodes what `body` holds: JSON when it starts so, else YAML. For what may be either (patches, `application/yaml`).
///
/// # Errors
/// As [`decode_json`] and [`decode_yaml`].
pub fn decode_any(body: &[u8]) -> Result<Decoded, DecodeError> {
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => decode_json(body).or_else(|_| decode_yaml(body)),
        _ => decode_yaml(body),
    }
}

/// The strict errors of one body in the order of the document, as upstream reports them: `duplicate field "a.b"`,
/// `unknown field "a.c"`. Each once, at most [`MAX_STRICT_ERRORS`].
pub fn strict_errors(body: &[u8], decoded: &Decoded, conformed: &Conformed) -> Vec<String> {
    let unknown = conformed.unknown.iter().map(|path| format!("unknown field {path:?}"));
    let mut errors: Vec<String> = decoded.duplicates.iter().cloned().chain(unknown).collect();
    if errors.len() > 1 {
        json::sort_strict_errors(body, &mut errors);
    }
    // Equal ones are not always side by side; there are few.
    let mut seen = std::collections::HashSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    errors.truncate(MAX_STRICT_ERRORS);
    errors
}
