//! Taking over the images of another store on the same file system, by hard links.
//!
//! Why: the nodes of one machine start with the same images, and unpacking them once is enough. Layers are never written
//! to after they are whole, so stores may share files; each has directories, an index and a fate of its own.

use super::store::{ImageStore, layer_name};
use crate::service::{Image, ImageError};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest list of attribute names, and longest value: the kernel's limit, bytes.
const XATTR_BYTES_MAX: usize = 64 << 10;

impl ImageStore {
    /// Takes over every image of `other`. Blocks.
    ///
    /// # Errors
    /// The stores are on different file systems, or anything that writing a store can meet.
    pub fn adopt(&self, other: &Self) -> Result<Vec<Image>, ImageError> {
        let mut added = Vec::new();
        let mut guards = Vec::new();
        for (id, record) in other.records() {
            guards.push((self.hold_layers(&record.diff_ids), other.hold_layers(&record.diff_ids)));
            for diff_id in &record.diff_ids {
                self.adopt_layer(other, diff_id)?;
            }
            let config = other.config_path(&id);
            let bytes = fs::read(&config).map_err(ImageError::io(format!("read {}", config.display())))?;
            self.add_config(&bytes)?;
            added.push((id, record));
        }
        self.commit(added)
    }

    fn adopt_layer(&self, other: &Self, diff_id: &str) -> Result<(), ImageError> {
        if self.has_layer(diff_id) {
            return Ok(());
        }
        let staged = self.scratch()?;
        let directory = staged.path().join("layer");
        let source = other.layers_directory().join(layer_name(diff_id));
        link_tree(&source, &directory).map_err(ImageError::io(format!("link layer {diff_id}")))?;
        self.place_layer(diff_id, &directory)
    }
}

/// Makes `to` a tree like `from`: directories are made anew, everything in them is linked.
fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    let mut directories: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    let mut next = 0;
    while let Some((from, to)) = directories.get(next).cloned() {
        next += 1;
        fs::create_dir(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                directories.push((entry.path(), target));
            } else {
                fs::hard_link(entry.path(), target)?; // links of all kinds are linked themselves
            }
        }
    }
    // the deepest first: filling a directory changes its times
    directories.iter().rev().try_for_each(|(from, to)| copy_attributes(from, to))
}

fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(to, metadata.permissions())?;
    copy_xattrs(from, to)?;
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: time(metadata.atime(), metadata.atime_nsec()),
        last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
    };
    Ok(rustix::fs::utimensat(CWD, to, &times, AtFlags::empty())?)
}

/// Extended attributes, overlayfs's mark of an opaque directory among them.
fn copy_xattrs(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = vec![0_u8; XATTR_BYTES_MAX];
    let length = match rustix::fs::listxattr(from, &mut names[..]) {
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; XATTR_BYTES_MAX];
        let length = rustix::fs::getxattr(from, name, &mut value[..])?;
        rustix::fs::setxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_tree_is_linked_with_its_attributes() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/file"), "text").unwrap();
        symlink("nowhere", from.join("a/link")).unwrap();
        fs::set_permissions(from.join("a"), fs::Permissions::from_mode(0o1751)).unwrap();
        let old = Timespec { tv_sec: 1000, tv_nsec: 0 };
        let times = Timestamps { last_access: old, last_modification: old };
        rustix::fs::utimensat(CWD, from.join("a/b"), &times, AtFlags::empty()).unwrap();

        link_tree(&from, &to).unwrap();
        let of = |root: &Path, path: &str| fs::symlink_metadata(root.join(path)).unwrap();
        assert_eq!(of(&from, "a/b/file").ino(), of(&to, "a/b/file").ino());
        assert_eq!(fs::read_link(to.join("a/link")).unwrap(), Path::new("nowhere"));
        assert_eq!(of(&to, "a").mode() & 0o7777, 0o1751);
        assert_eq!(of(&to, "a/b").mtime(), 1000);
    }
}
