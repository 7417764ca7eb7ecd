//! The `Status` object: every error that a client can see, with upstream's words, reasons and codes
//! (`k8s.io/apimachinery/pkg/api/errors`).

use crate::field;
use serde_json::{Value, json};

/// An error answer. Built by the constructors here only, so that reason and code always fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// Upstream's `StatusReason`; empty where upstream has none.
    pub reason: &'static str,
    /// The sentence that clients show.
    pub message: String,
    /// `details`, as it stands on the wire; `Null` when there are none.
    pub details: Value,
    /// `metadata.continue`, where a list that cannot go on as it began can go on otherwise.
    pub continue_token: Option<String>,
}

/// Which object an error is about: fills `details.group`, `.kind` and `.name`.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// API group; empty for core.
    pub group: &'a str,
    /// Upstream puts the plural resource here for most reasons and the kind for `Invalid`.
    pub resource: &'a str,
    /// The object's name; may be empty.
    pub name: &'a str,
}

impl Subject<'_> {
    fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.to_owned() } else { format!("{}.{}", self.resource, self.group) }
    }

    fn details(&self) -> serde_json::Map<String, Value> {
        let mut details = serde_json::Map::new();
        for (key, value) in [("name", self.name), ("group", self.group), ("kind", self.resource)] {
            if !value.is_empty() {
                details.insert(key.to_owned(), value.into());
            }
        }
        details
    }
}

impl Status {
    /// A status with nothing but code, reason and message.
    pub fn plain(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self::with_details(code, reason, message, Value::Null)
    }

    fn with_details(code: u16, reason: &'static str, message: impl Into<String>, details: impl Into<Value>) -> Self {
        Self { code, reason, message: message.into(), details: details.into(), continue_token: None }
    }

    /// `NewNotFound`: `pods "x" not found`.
    pub fn not_found(subject: &Subject<'_>) -> Self {
        let message = format!("{} {:?} not found", subject.qualified(), subject.name);
        Self::with_details(404, "NotFound", message, subject.details())
    }

    /// `NewAlreadyExists`.
    pub fn already_exists(subject: &Subject<'_>) -> Self {
        let message = format!("{} {:?} already exists", subject.qualified(), subject.name);
        Self::with_details(409, "AlreadyExists", message, subject.details())
    }

    /// `NewConflict`: `Operation cannot be fulfilled on …`.
    pub fn conflict(subject: &Subject<'_>, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {:?}: {why}", subject.qualified(), subject.name);
        Self::with_details(409, "Conflict", message, subject.details())
    }

    /// `NewForbidden`.
    pub fn forbidden(subject: &Subject<'_>, why: &str) -> Self {
        let message = if subject.name.is_empty() {
            format!("{} is forbidden: {why}", subject.qualified())
        } else {
            format!("{} {:?} is forbidden: {why}", subject.qualified(), subject.name)
        };
        Self::with_details(403, "Forbidden", message, subject.details())
    }

    /// `NewInvalid`: `subject.resource` is the *kind* here.
    pub fn invalid(subject: &Subject<'_>, errors: &[field::Error]) -> Self {
        let list = field::aggregate(errors);
        let message = format!("{} {:?} is invalid: {list}", subject.qualified(), subject.name);
        let causes: Vec<Value> =
            errors.iter().map(|e| json!({"reason": e.kind.reason(), "message": e.body(), "field": e.field})).collect();
        let mut details = subject.details();
        details.insert("causes".to_owned(), causes.into());
        Self::with_details(422, "Invalid", message, details)
    }

    /// `NewBadRequest`.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::plain(400, "BadRequest", message)
    }

    /// `NewUnauthorized` with its usual word.
    pub fn unauthorized() -> Self {
        Self::plain(401, "Unauthorized", "Unauthorized")
    }

    /// `NewInternalError`: `Internal error occurred: …`.
    pub fn internal(why: impl std::fmt::Display) -> Self {
        let details = json!({"causes": [{"message": why.to_string()}]});
        Self::with_details(500, "InternalError", format!("Internal error occurred: {why}"), details)
    }

    /// A 404 for a path that no resource has.
    pub fn path_not_found() -> Self {
        Self::empty_details(404, "NotFound", "the server could not find the requested resource")
    }

    /// A 405: the resource has not this verb.
    pub fn method_not_allowed() -> Self {
        Self::empty_details(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// The 422 of a JSON patch that cannot be applied.
    pub fn unprocessable() -> Self {
        Self::empty_details(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    /// The 403 for a path that is no resource: `forbidden: User "x" cannot get path "/metrics"`.
    pub fn forbidden_path(why: &str) -> Self {
        Self::empty_details(403, "Forbidden", format!("forbidden: {why}"))
    }

    /// The 415 of a patch whose content type no patch has.
    pub fn unsupported_patch_type() -> Self {
        Self::empty_details(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    }

    /// The 415 of a body: the media types that are taken.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = "the body of the request was in an unknown format - accepted media types include: ";
        Self::plain(415, "UnsupportedMediaType", format!("{message}{}", accepted.join(", ")))
    }

    /// The 406 of the ordinary answers: the media types that can be had.
    pub fn not_acceptable(available: &[&str]) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {}", available.join(", "));
        Self::empty_details(406, "NotAcceptable", message)
    }

    /// The 406 of answers that have special forms (tables, metadata, protobuf).
    pub fn not_acceptable_because(why: impl Into<String>) -> Self {
        Self::plain(406, "NotAcceptable", why)
    }

    /// `NewResourceExpired`: a resource version or continue token that is too old.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::plain(410, "Expired", message)
    }

    /// `NewGone`
    pub fn gone(message: impl Into<String>) -> Self {
        Self::plain(410, "Gone", message)
    }

    /// `NewRequestEntityTooLargeError`; `limit` in bytes.
    pub fn request_entity_too_large(limit: usize) -> Self {
        Self::plain(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }

    /// `NewTooManyRequests`
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let details = json!({"retryAfterSeconds": retry_after_seconds});
        Self::with_details(429, "TooManyRequests", message, details)
    }

    /// `NewTimeoutError`
    pub fn timeout(message: &str, retry_after_seconds: u32) -> Self {
        let details = with_retry(serde_json::Map::new(), retry_after_seconds);
        Self::with_details(504, "Timeout", format!("Timeout: {message}"), details)
    }

    /// `NewServerTimeout`: `operation` is the verb.
    pub fn server_timeout(subject: &Subject<'_>, operation: &str, retry_after_seconds: u32) -> Self {
        let message = format!(
            "The {operation} operation against {} could not be completed at this time, please try again.",
            subject.qualified()
        );
        let details = Subject { name: operation, ..subject.clone() }.details();
        Self::with_details(500, "ServerTimeout", message, with_retry(details, retry_after_seconds))
    }

    /// `NewServiceUnavailable`
    pub fn service_unavailable(why: impl Into<String>) -> Self {
        Self::plain(503, "ServiceUnavailable", why)
    }

    /// `NewGenerateNameConflict`: every name that was tried is taken.
    pub fn generate_name_conflict(subject: &Subject<'_>, retry_after_seconds: u32) -> Self {
        let message = format!(
            "{} {:?} already exists, the server was not able to generate a unique name for the object",
            subject.qualified(),
            subject.name
        );
        let details = with_retry(subject.details(), retry_after_seconds);
        Self::with_details(409, "AlreadyExists", message, details)
    }

    /// A 500 without a reason: errors of upstream that are no API errors.
    pub fn unreasoned(message: impl Into<String>) -> Self {
        Self::plain(500, "", message)
    }

    fn empty_details(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self::with_details(code, reason, message, json!({}))
    }

    /// Adds an entry to `details.causes`; empty parts are left out.
    #[must_use]
    pub fn with_cause(mut self, reason: &str, message: &str, field: &str) -> Self {
        let mut cause = serde_json::Map::new();
        for (name, text) in [("reason", reason), ("message", message), ("field", field)] {
            if !text.is_empty() {
                cause.insert(name.to_owned(), text.into());
            }
        }
        if !self.details.is_object() {
            self.details = json!({});
        }
        match self.details.get_mut("causes").and_then(Value::as_array_mut) {
            Some(causes) => causes.push(cause.into()),
            None => self.details["causes"] = json!([cause]),
        }
        self
    }

    /// `details.retryAfterSeconds`, which is also sent as the `Retry-After` header.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.details.get("retryAfterSeconds").and_then(Value::as_u64)
    }

    /// The wire form. `metadata` is always there, `details`, `reason` only where set.
    pub fn to_value(&self) -> Value {
        let mut object = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            object["reason"] = self.reason.into();
        }
        if !self.details.is_null() {
            object["details"] = self.details.clone();
        }
        if let Some(token) = &self.continue_token {
            object["metadata"]["continue"] = token.as_str().into();
        }
        object
    }
}

fn with_retry(mut details: serde_json::Map<String, Value>, seconds: u32) -> Value {
    if seconds > 0 {
        details.insert("retryAfterSeconds".to_owned(), seconds.into());
    }
    details.into()
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}
