//! Device nodes of the host.

use super::spec::HostDevice;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Directories of /dev that are file systems of their own in a container.
const SKIPPED: [&str; 7] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
/// How deep /dev is searched.
const DEPTH_MAX: usize = 8;

/// One device node, to appear at `path`.
pub(super) fn device(host: &Path, path: &Path) -> io::Result<HostDevice> {
    let metadata = std::fs::metadata(host)?;
    let kind = if metadata.file_type().is_char_device() {
        'c'
    } else if metadata.file_type().is_block_device() {
        'b'
    } else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a device", host.display())));
    };
    Ok(HostDevice {
        path: path.to_owned(),
        kind,
        major: u64::from(rustix::fs::major(metadata.rdev())),
        minor: u64::from(rustix::fs::minor(metadata.rdev())),
        mode: metadata.mode() & 0o777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

/// Every device of the host: what a privileged container gets.
pub(super) fn all() -> Vec<HostDevice> {
    let mut out = Vec::new();
    search(Path::new("/dev"), 0, &mut out);
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

fn search(directory: &Path, depth: usize, out: &mut Vec<HostDevice>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let (Ok(kind), path): (_, PathBuf) = (entry.file_type(), entry.path()) else { continue };
        let name = entry.file_name();
        if kind.is_dir() {
            if depth < DEPTH_MAX && !SKIPPED.iter().any(|skipped| name == *skipped) {
                search(&path, depth + 1, out);
            }
        } else if (kind.is_char_device() || kind.is_block_device()) && name != "console" && name != "ptmx" {
            out.extend(device(&path, &path)); // one that vanishes meanwhile is none
        }
    }
}
