//! Nouns of images.

use serde::{Deserialize, Serialize};

/// An image's id: the digest of its configuration, `sha256:<64 hexadecimal digits>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(pub String);

impl std::fmt::Display for ImageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an image says about how it wants to be run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The command.
    pub entrypoint: Vec<String>,
    /// Its arguments, or the command.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// `user[:group]`, names or numbers.
    pub user: String,
    /// Where it starts.
    pub working_dir: String,
    /// The name or number of a signal.
    pub stop_signal: Option<String>,
    /// Paths that want a volume of their own.
    pub volumes: Vec<String>,
}

/// An image in the store (`Image` of the CRI).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Full names with a tag.
    pub repo_tags: Vec<String>,
    /// Full names with a digest.
    pub repo_digests: Vec<String>,
    /// Bytes of its blobs, compressed as they came.
    pub size_bytes: u64,
    /// The numeric user of its configuration, if it is one.
    pub uid: Option<i64>,
    /// The user name of its configuration, if it is not a number.
    pub username: Option<String>,
    /// How it wants to be run.
    pub config: ImageConfig,
    /// Never collected.
    pub pinned: bool,
}

/// How to prove oneself to a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum RegistryAuth {
    /// User name and password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// A bearer token.
    Token(String),
}

impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Basic { username, .. } => write!(f, "Basic({username}, …)"),
            Self::Token(_) => f.write_str("Token(…)"),
        }
    }
}

/// Disk use of the image store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFsUsage {
    /// Where the store is.
    pub mountpoint: std::path::PathBuf,
    /// Bytes used by images.
    pub used_bytes: u64,
    /// Bytes of its file system.
    pub capacity_bytes: u64,
    /// Bytes free for us.
    pub available_bytes: u64,
}
