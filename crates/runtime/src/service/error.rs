//! Errors of the runtime's verbs.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why a command could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFailureKind {
    /// `exec: "x": executable file not found in $PATH`.
    ExecutableNotFound,
    /// `exec: "/x": stat /x: no such file or directory`.
    NoSuchFile,
    /// `exec: "/x": permission denied`.
    PermissionDenied,
    /// `exec: "/x": is a directory`.
    IsADirectory,
    /// The kernel refused the file: `exec /x: exec format error`.
    ExecFormat,
    /// The user or group cannot be found in the image.
    UnknownUser,
    /// Anything in the container's environment: mounts, cgroups, namespaces.
    CannotRun,
}

/// Why a container or command did not start, with words that hold upstream's (`exec: "x": executable file not found in $PATH`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StartFailure {
    /// What it is.
    pub kind: StartFailureKind,
    /// In words, for events and statuses.
    pub message: String,
}

impl StartFailure {
    /// The failure with the words that Go's `exec` package and runc use for it.
    pub fn new(kind: StartFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Errors of sandboxes and containers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// There is no such sandbox, container or image.
    #[error("{kind} \"{id}\" not found")]
    NotFound {
        /// `sandbox`, `container` or `image`.
        kind: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The verb does not fit the state, such as starting a running container.
    #[error("{0}")]
    InvalidState(String),
    /// The request itself is wrong.
    #[error("{0}")]
    InvalidArgument(String),
    /// The container's command did not start.
    #[error("{0}")]
    Start(#[source] StartFailure),
    /// The sandbox's shim is gone or does not answer.
    #[error("the shim of sandbox {sandbox} is gone")]
    ShimGone {
        /// Which.
        sandbox: String,
    },
    /// The shim failed to do what it was asked.
    #[error("{0}")]
    Shim(String),
    /// The operating system refused.
    #[error("{doing}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// An image is broken or missing.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The cgroup could not be made or changed.
    #[error("cgroup {path}: {message}")]
    Cgroup {
        /// Which.
        path: String,
        /// What libcgroups said.
        message: String,
    },
}

impl RuntimeError {
    /// An [`RuntimeError::Io`] for use with `map_err`.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// Errors of exec, exec_sync and attach.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// There is no such container.
    #[error("container \"{0}\" not found")]
    NotFound(String),
    /// The container does not run.
    #[error("container is in {0} state")]
    NotRunning(String),
    /// The command did not start. [`StartFailure::message`] holds upstream's words.
    #[error("{0}")]
    Start(#[source] StartFailure),
    /// `exec_sync` took too long; the command was killed.
    #[error("command timed out: context deadline exceeded after {0:?}")]
    Timeout(Duration),
    /// Anything else.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Errors of images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The name is not a valid reference (`InvalidImageName`).
    #[error("couldn't parse image name \"{reference}\": {message}")]
    InvalidName {
        /// As given.
        reference: String,
        /// What is wrong.
        message: String,
    },
    /// The registry does not have it, or does not tell us.
    #[error("failed to pull and unpack image \"{reference}\": {message}")]
    NotFound {
        /// Normalised.
        reference: String,
        /// The registry's answer.
        message: String,
    },
    /// The registry refused the credentials, or wants some.
    #[error("failed to pull and unpack image \"{reference}\": {message}")]
    Unauthorized {
        /// Normalised.
        reference: String,
        /// The registry's answer.
        message: String,
    },
    /// The registry could not be reached (`RegistryUnavailable`).
    #[error("failed to pull and unpack image \"{reference}\": {message}")]
    Unavailable {
        /// Normalised.
        reference: String,
        /// What the network said.
        message: String,
    },
    /// The image, archive or blob is not what it should be: wrong digest, bad JSON, no fitting platform.
    #[error("{what}: {message}")]
    Invalid {
        /// Which file or blob.
        what: String,
        /// What is wrong.
        message: String,
    },
    /// The operating system refused.
    #[error("{doing}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl ImageError {
    /// An [`ImageError::Io`] for use with `map_err`.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// An [`ImageError::Invalid`].
    pub fn invalid(what: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self::Invalid { what: what.into(), message: message.to_string() }
    }
}
