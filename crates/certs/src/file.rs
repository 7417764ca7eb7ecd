//! Files of the PKI directory: written whole or not at all, private ones readable by their owner alone.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct FileError {
    /// Which file.
    pub path: PathBuf,
    /// The operating system's reason.
    pub source: std::io::Error,
}

impl FileError {
    fn at(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        |source| Self { path: path.to_owned(), source }
    }
}

pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(FileError::at(path))
}

/// Writes a file with mode 0600, atomically; makes missing directories. For keys and kubeconfigs.
pub fn write_private(path: &Path, content: &str) -> Result<(), FileError> {
    write(path, content, 0o600)
}

/// Writes a file with mode 0644, atomically; makes missing directories. For certificates.
pub fn write_public(path: &Path, content: &str) -> Result<(), FileError> {
    write(path, content, 0o644)
}

fn write(path: &Path, content: &str, mode: u32) -> Result<(), FileError> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(FileError::at(dir))?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // A leftover of a crash may have other permissions: never reuse it.
    let _ = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(FileError::at(&temporary))?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(FileError::at(&temporary))?;
    std::fs::rename(&temporary, path).map_err(FileError::at(path))
}
