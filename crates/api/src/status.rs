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
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    /// `NewNotFound`: `pods "x" not found`.
    pub fn not_found(subject: &Subject<'_>) -> Self {
        let message = format!("{} {:?} not found", subject.qualified(), subject.name);
        Self { code: 404, reason: "NotFound", message, details: subject.details().into() }
    }

    /// `NewAlreadyExists`.
    pub fn already_exists(subject: &Subject<'_>) -> Self {
        let message = format!("{} {:?} already exists", subject.qualified(), subject.name);
        Self { code: 409, reason: "AlreadyExists", message, details: subject.details().into() }
    }

    /// `NewConflict`: `Operation cannot be fulfilled on …`.
    pub fn conflict(subject: &Subject<'_>, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {:?}: {why}", subject.qualified(), subject.name);
        Self { code: 409, reason: "Conflict", message, details: subject.details().into() }
    }

    /// `NewForbidden`.
    pub fn forbidden(subject: &Subject<'_>, why: &str) -> Self {
        let message = if subject.name.is_empty() {
            format!("{} is forbidden: {why}", subject.qualified())
        } else {
            format!("{} {:?} is forbidden: {why}", subject.qualified(), subject.name)
        };
        Self { code: 403, reason: "Forbidden", message, details: subject.details().into() }
    }

    /// `NewInvalid`: `subject.resource` is the *kind* here.
    pub fn invalid(subject: &Subject<'_>, errors: &[field::Error]) -> Self {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => {
                // `utilerrors.Aggregate` prints equal errors once.
                let mut seen = Vec::new();
                many.iter().for_each(|text| {
                    if !seen.contains(&text.as_str()) {
                        seen.push(text);
                    }
                });
                if seen.len() == 1 { seen[0].to_owned() } else { format!("[{}]", seen.join(", ")) }
            }
        };
        let message = format!("{} {:?} is invalid: {list}", subject.qualified(), subject.name);
        let causes: Vec<Value> = errors
            .iter()
            .map(|e| json!({"reason": e.kind.reason(), "message": e.body(), "field": e.field}))
            .collect();
        let mut details = subject.details();
        details.insert("causes".to_owned(), causes.into());
        Self { code: 422, reason: "Invalid", message, details: details.into() }
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
        Self { code: 500, reason: "InternalError", message: format!("Internal error occurred: {why}"), details }
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
        object
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}
