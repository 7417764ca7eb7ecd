//! Changing an object by a patch: JSON patch, merge patch, strategic merge patch.
//!
//! Each form is one pure function from original and patch to the patched object, and all of them fail with one
//! [`PatchError`], which [`PatchError::to_status`] turns into what the client sees. What not: server-side apply (that is
//! [`crate::apply`]), decoding of the request's bytes, and the checks of the patched object.

pub mod json;
pub mod merge;
pub mod strategic;

mod go_text;

pub use go_text::go_text;

use crate::field;
use crate::status::{Status, Subject};
use serde_json::Value;

/// The content types of the three patches and of apply, as requests name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// `application/json-patch+json`, RFC 6902.
    Json,
    /// `application/merge-patch+json`, RFC 7386.
    Merge,
    /// `application/strategic-merge-patch+json`; built-in kinds only.
    StrategicMerge,
    /// `application/apply-patch+yaml`, server-side apply.
    Apply,
}

impl PatchType {
    /// The type that a `Content-Type` header names; parameters are left out of account.
    pub fn from_content_type(header: &str) -> Option<Self> {
        match header.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Some(Self::Json),
            "application/merge-patch+json" => Some(Self::Merge),
            "application/strategic-merge-patch+json" => Some(Self::StrategicMerge),
            "application/apply-patch+yaml" => Some(Self::Apply),
            _ => None,
        }
    }
}

/// Why a patch could not be applied. The words are those of the JSON-patch and strategic-merge libraries upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is not of the shape that its type asks for.
    #[error("error decoding patch: {0}")]
    Decode(String),
    /// More operations than [`json::MAX_OPERATIONS`].
    #[error("The allowed maximum operations in a JSON patch is {max}, got {got}")]
    TooManyOperations {
        /// The limit.
        max: usize,
        /// What the patch has.
        got: usize,
    },
    /// A JSON patch operation that does not fit the object. Clients never see the reason.
    #[error("{0}")]
    Operation(String),
    /// A strategic merge patch that is malformed in a way that upstream calls a bad request.
    #[error("{0}")]
    BadFormat(&'static str),
    /// A list in a list, which strategic merge patches cannot change.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// Everything else that is wrong with a strategic merge patch; upstream answers 500.
    #[error("{0}")]
    Strategic(String),
}

impl PatchError {
    /// What the client sees (`interpretStrategicMergePatchError` and the patch handler upstream).
    pub fn to_status(&self) -> Status {
        match self {
            Self::Decode(_) => Status::bad_request(self.to_string()),
            Self::BadFormat(words) => Status::bad_request(*words),
            Self::TooManyOperations { .. } => {
                Status::plain(413, "RequestEntityTooLarge", format!("Request entity too large: {self}"))
            }
            Self::Operation(_) | Self::ListOfLists => {
                let mut status =
                    Status::plain(422, "Invalid", "the server rejected our request due to an error in our request");
                status.details = Value::Object(serde_json::Map::new());
                status
            }
            Self::Strategic(words) => Status::plain(500, "", words.clone()),
        }
    }
}

/// The answer when the patched object cannot be decoded as its kind: `words` is the decoder's error, `patched` the
/// object as it came out of the patch.
pub fn undecodable(patched: &Value, words: &str) -> Status {
    refused(patched.to_string(), words)
}

/// The same for a strategic merge patch, of which upstream shows the patch, as Go prints it.
pub fn undecodable_strategic(patch: &Value, words: &str) -> Status {
    refused(go_text::go_text(patch), words)
}

fn refused(shown: String, words: &str) -> Status {
    let error = field::Error::invalid(&field::Path::new("patch"), shown, words);
    Status::invalid(&Subject { group: "", resource: "", name: "" }, &[error])
}

/// Go's word for the JSON type of a value in `json: cannot unmarshal …`.
pub(crate) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
