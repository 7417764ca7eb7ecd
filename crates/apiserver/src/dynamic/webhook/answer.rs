//! A webhook's answer (`VerifyAdmissionResponse`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// How many warnings of one answer are passed on, and how long each may be, in bytes: as much as headers can carry.
const MAX_WARNINGS: usize = 32;
const MAX_WARNING_BYTES: usize = 256;

/// The reasons that a Status may give.
const REASONS: [&str; 21] = [
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "AlreadyExists",
    "Conflict",
    "Gone",
    "Invalid",
    "ServerTimeout",
    "StoreReadError",
    "Timeout",
    "TooManyRequests",
    "BadRequest",
    "MethodNotAllowed",
    "NotAcceptable",
    "RequestEntityTooLarge",
    "UnsupportedMediaType",
    "InternalError",
    "Expired",
    "ServiceUnavailable",
    "UnprocessableEntity",
    "ClusterMismatch",
];

/// What a webhook says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) rejection: Option<Rejection>,
    /// A JSON patch with something in it.
    pub(super) patch: Option<Value>,
    pub(super) warnings: Vec<String>,
}

/// The `status` of a refusal.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rejection {
    pub(super) code: u16,
    pub(super) message: String,
    pub(super) reason: String,
    pub(super) details: Value,
}

impl Rejection {
    /// The reason, where it is one of upstream's.
    pub(super) fn known_reason(&self) -> &'static str {
        REASONS.into_iter().find(|one| *one == self.reason).unwrap_or_default()
    }
}

/// Why an answer is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum AnswerError {
    #[error("couldn't get version/kind; json parse error: {0}")]
    Json(String),
    #[error(
        "received invalid webhook response: expected webhook response of {wanted}, Kind=AdmissionReview, got {got}"
    )]
    Kind { wanted: String, got: String },
    #[error("received invalid webhook response: webhook response was absent")]
    Absent,
    #[error("received invalid webhook response: expected response.uid={wanted:?}, got {got:?}")]
    Uid { wanted: String, got: String },
    #[error("received invalid webhook response: webhook returned response.patch but not response.patchType")]
    NoPatchType,
    #[error("received invalid webhook response: webhook returned response.patchType but not response.patch")]
    NoPatch,
    #[error("received invalid webhook response: webhook returned invalid response.patchType of {0:?}")]
    PatchType(String),
    #[error("received invalid webhook response: {0}")]
    Patch(String),
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Answer {
    pub(super) fn read(bytes: &[u8], version: &str, uid: &str) -> Result<Self, AnswerError> {
        let review: Value = serde_json::from_slice(bytes).map_err(|error| AnswerError::Json(error.to_string()))?;
        let response = &review["response"];
        let is_v1 = version.ends_with("/v1");
        let (api_version, kind) = (text(&review["apiVersion"]), text(&review["kind"]));
        if is_v1 && (api_version != version || kind != "AdmissionReview") {
            return Err(AnswerError::Kind { wanted: version.to_owned(), got: format!("{api_version}, Kind={kind}") });
        }
        if !response.is_object() {
            return Err(AnswerError::Absent);
        }
        if is_v1 && text(&response["uid"]) != uid {
            return Err(AnswerError::Uid { wanted: uid.to_owned(), got: text(&response["uid"]).to_owned() });
        }
        let warnings = response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let warnings = warnings.take(MAX_WARNINGS).map(shortened).collect();
        if response["allowed"] != true {
            let status = &response["status"];
            let rejection = Rejection {
                code: status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(0).min(599),
                message: text(&status["message"]).to_owned(),
                reason: text(&status["reason"]).to_owned(),
                details: status["details"].clone(),
            };
            return Ok(Self { rejection: Some(rejection), patch: None, warnings });
        }
        Ok(Self { rejection: None, patch: patch(response, is_v1)?, warnings })
    }
}

fn shortened(warning: &str) -> String {
    let mut end = warning.len().min(MAX_WARNING_BYTES);
    while !warning.is_char_boundary(end) {
        end -= 1;
    }
    warning[..end].to_owned()
}

fn patch(response: &Value, is_v1: bool) -> Result<Option<Value>, AnswerError> {
    let (encoded, kind) = (text(&response["patch"]), text(&response["patchType"]));
    match (encoded, kind) {
        ("", "") => return Ok(None),
        ("", _) if is_v1 => return Err(AnswerError::NoPatch),
        ("", _) => return Ok(None),
        (_, "") if is_v1 => return Err(AnswerError::NoPatchType),
        (_, "" | "JSONPatch") => {}
        (_, other) => return Err(AnswerError::PatchType(other.to_owned())),
    }
    let bytes = STANDARD.decode(encoded).map_err(|error| AnswerError::Patch(error.to_string()))?;
    let patch: Value = serde_json::from_slice(&bytes).map_err(|error| AnswerError::Patch(error.to_string()))?;
    Ok(Some(patch).filter(|patch| patch.as_array().is_none_or(|operations| !operations.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(response: Value) -> Result<Answer, AnswerError> {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
        Answer::read(&serde_json::to_vec(&review).unwrap(), "admission.k8s.io/v1", "u")
    }

    #[test]
    fn an_answer_must_be_one() {
        assert_eq!(read(Value::Null).unwrap_err(), AnswerError::Absent);
        let other = read(json!({"uid": "v", "allowed": true})).unwrap_err();
        let words = "received invalid webhook response: expected response.uid=\"u\", got \"v\"";
        assert_eq!(other.to_string(), words);
        assert_eq!(read(json!({"uid": "u", "allowed": true, "patch": "W10="})).unwrap_err(), AnswerError::NoPatchType);
        assert!(Answer::read(b"{", "admission.k8s.io/v1", "u").is_err());
    }

    #[test]
    fn patches_are_taken_out() {
        let encoded = STANDARD.encode(r#"[{"op":"add","path":"/a","value":1}]"#);
        let answer = read(json!({"uid": "u", "allowed": true, "patchType": "JSONPatch", "patch": encoded})).unwrap();
        assert_eq!(answer.patch, Some(json!([{"op": "add", "path": "/a", "value": 1}])));
        let answer = read(json!({"uid": "u", "allowed": true, "patchType": "JSONPatch", "patch": "W10="})).unwrap();
        assert_eq!(answer, Answer::default());
    }
}
