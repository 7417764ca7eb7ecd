//! Why a measurement could not be made.

use std::path::PathBuf;

/// What went wrong, with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file could not be read or written.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A kubeconfig could not be used.
    #[error("kubeconfig: {0}")]
    Kubeconfig(#[from] certs::KubeconfigError),
    /// Text in it is not what it should be.
    #[error("kubeconfig: {0}")]
    Text(String),
    /// Certificates could not be made or used.
    #[error(transparent)]
    Certificate(#[from] certs::CertError),
    /// No connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A connection broke.
    #[error("{what}")]
    Http {
        /// The request.
        what: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The server said no.
    #[error("{what}: {code} {body}")]
    Refused {
        /// The request.
        what: String,
        /// The status code.
        code: u16,
        /// The answer, cut short.
        body: String,
    },
    /// A program that is measured did not start, or ended.
    #[error("{program}: {why}")]
    Program {
        /// Which.
        program: String,
        /// Why.
        why: String,
    },
    /// What was waited for did not come.
    #[error("gave up waiting for {0}")]
    TimedOut(String),
}

/// Adds the path to an I/O error.
pub fn at(path: &std::path::Path) -> impl Fn(std::io::Error) -> LoadError {
    move |source| LoadError::File { path: path.to_owned(), source }
}
