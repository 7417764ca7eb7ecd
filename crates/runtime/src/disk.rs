//! Directories that containers fill: how much disk the files below take up, as `du` counts (`DiskUsage` of upstream's
//! volume/util/fs), and opening one of them without being led elsewhere.

use crate::images::open_in_root;
use rustix::fs::{Mode, OFlags};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The unit of `st_blocks`, bytes.
const BLOCK_BYTES: u64 = 512;

/// Bytes that `path` and all below it take up. A file with several names counts once, other file systems that are
/// mounted below do not count, nor does what goes while it is looked at. Blocking.
///
/// # Errors
/// A directory that cannot be read; `path` itself missing is zero.
pub fn usage_bytes(path: &Path) -> io::Result<u64> {
    let Some(root) = there(std::fs::symlink_metadata(path))? else { return Ok(0) };
    let mut total = root.blocks();
    let mut linked = HashSet::new();
    let mut directories = if root.is_dir() { vec![path.to_owned()] } else { Vec::new() };
    while let Some(directory) = directories.pop() {
        let Some(entries) = there(std::fs::read_dir(&directory))? else { continue };
        for entry in entries {
            let entry = entry?;
            let Some(metadata) = there(entry.metadata())? else { continue };
            let counted = metadata.dev() == root.dev()
                && (metadata.is_dir() || metadata.nlink() < 2 || linked.insert(metadata.ino()));
            if !counted {
                continue;
            }
            total += metadata.blocks();
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    Ok(total * BLOCK_BYTES)
}

/// Opens a regular file below `directory` for reading, as if that were `/`: links cannot lead out of it, and what is no
/// regular file (a pipe that nobody writes to) does not keep the caller.
///
/// # Errors
/// The file system's; anything but a regular file.
pub fn open_below(directory: &Path, path: &Path) -> io::Result<File> {
    let root = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let file = File::from(open_in_root(root.as_fd(), path, OFlags::RDONLY | OFlags::NONBLOCK)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_once_and_links_lead_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("d")).unwrap();
        std::os::unix::fs::symlink("/", path("d/elsewhere")).unwrap();
        let before = usage_bytes(root.path()).unwrap();
        std::fs::write(path("d/file"), vec![1; 1 << 20]).unwrap();
        std::fs::hard_link(path("d/file"), path("again")).unwrap();
        let after = usage_bytes(root.path()).unwrap();
        let grown = after - before;
        assert!((1 << 20..(1 << 20) + 65_536).contains(&grown), "{before} {after}");
        assert_eq!(usage_bytes(&path("d/file")).unwrap(), 1 << 20);
        assert_eq!(usage_bytes(&path("missing")).unwrap(), 0);
    }
}
