//! Files that are replaced whole: whoever reads finds the old one or the new one.
//!
//! After a power cut too, once [`settle`] has returned for the file. That is apart, because a disk takes its time: a pod's start
//! goes on meanwhile, and only what is acknowledged waits for it.

use std::fs::File;
use std::io;
use std::path::Path;

/// Puts `bytes` in the place of the file at `path`.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = path.with_extension("new");
    std::fs::write(&staged, bytes)?;
    std::fs::rename(&staged, path)
}

/// Returns when the file at `path` is on the disk, under its name. Blocks.
pub(crate) fn settle(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
