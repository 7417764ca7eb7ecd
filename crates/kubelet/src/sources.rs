//! Static pods: files and URLs that hold manifests, turned into pods of this node.

pub mod decode;
pub mod file;
#[cfg(test)]
mod tests;
pub mod url;

use k8s_openapi::api::core::v1::Pod;

/// Where static pods come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A file or directory of the node.
    File,
    /// A URL.
    Http,
}

impl Source {
    /// The word in `kubernetes.io/config.source`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Http => "http",
        }
    }
}

/// All that a source has at one moment. What it does not name any more is to be stopped.
#[derive(Debug, Clone)]
pub struct SourceUpdate {
    /// Which.
    pub source: Source,
    /// Its pods, in the order of their files' names.
    pub pods: Vec<Pod>,
    /// What was wrong with its manifests: the manifest's name, and why.
    pub problems: Vec<(String, String)>,
}
