//! What a request can fail with. Callers decide by `Status` reason and code, never by a message.

use kube::core::Status;

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with a `Status`.
    #[error("{}", .0.message)]
    Status(Box<Status>),
    /// No answer: connection refused, reset, timed out, or the in-process server is gone.
    #[error("no answer from the API server: {0}")]
    Transport(#[source] kube::Error),
    /// The answer is not what the type says.
    #[error("cannot decode the API server's answer: {0}")]
    Decode(#[source] serde_json::Error),
    /// The request could not be built: an empty name, a value that JSON cannot hold.
    #[error("cannot build the request: {0}")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The server's `Status`, if it sent one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Status(status) => Some(status),
            Self::Transport(_) | Self::Decode(_) | Self::Request(_) => None,
        }
    }

    /// The `Status` reason; empty when there is none.
    pub fn reason(&self) -> &str {
        self.status().map_or("", |status| status.reason.as_str())
    }

    /// The HTTP status code; 0 without an answer.
    pub fn code(&self) -> u16 {
        self.status().map_or(0, |status| status.code)
    }

    /// `NotFound`: the object (or its namespace, or its resource) does not exist.
    pub fn is_not_found(&self) -> bool {
        self.reason() == "NotFound"
    }

    /// `AlreadyExists`.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == "AlreadyExists"
    }

    /// `Conflict`: the object changed meanwhile, or a precondition failed.
    pub fn is_conflict(&self) -> bool {
        self.reason() == "Conflict"
    }

    /// `Invalid`.
    pub fn is_invalid(&self) -> bool {
        self.reason() == "Invalid"
    }

    /// `Forbidden`.
    pub fn is_forbidden(&self) -> bool {
        self.reason() == "Forbidden"
    }

    /// `Unauthorized`.
    pub fn is_unauthorized(&self) -> bool {
        self.reason() == "Unauthorized"
    }

    /// `Expired` or `Gone`: the resource version is older than the server's history; list again.
    pub fn is_expired(&self) -> bool {
        self.code() == 410 || matches!(self.reason(), "Expired" | "Gone")
    }

    /// `Forbidden` because the namespace is being deleted (cause `NamespaceTerminating`): creating there is pointless.
    pub fn is_namespace_terminating(&self) -> bool {
        let details = self.status().and_then(|status| status.details.as_ref());
        self.is_forbidden() && details.is_some_and(|d| d.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
    }

    /// Whether the same request may succeed later without being changed: no answer, 429, or 5xx.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Transport(_)) || self.code() == 429 || self.code() >= 500
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Status(status),
            kube::Error::SerdeError(error) => Self::Decode(error),
            kube::Error::BuildRequest(error) => Self::Request(Box::new(error)),
            kube::Error::HttpError(error) => Self::Request(Box::new(error)),
            other => Self::Transport(other),
        }
    }
}

impl From<kube::core::request::Error> for Error {
    fn from(error: kube::core::request::Error) -> Self {
        Self::Request(Box::new(error))
    }
}

impl Error {
    /// A body that could not be written as JSON.
    pub fn encode(error: serde_json::Error) -> Self {
        Self::Request(Box::new(error))
    }
}
