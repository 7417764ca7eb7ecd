//! Where on a disk the files of pods lie: spread over it, one place for each pod.
//!
//! Pods come and go by dozens of small files. ext4 puts them all near their common parent, and gives a freed inode out
//! again only a minute or more later (`recently_deleted`): until then each new file looks at every inode freed near it,
//! by pods that went or by anything else that works on that disk. Right after forty pods were deleted this was a
//! quarter of the time that the next forty took to start. A directory marked as the top of a hierarchy has its
//! children spread over the whole disk. What not: other file systems, which do not place files so.

use nix::sys::statfs::{EXT4_SUPER_MAGIC, fstatfs};
use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags, open};
use std::io;
use std::path::Path;

/// Makes a directory, unless it is there, whose subdirectories are unrelated to each other (`chattr +T`).
///
/// # Errors
/// It cannot be made. That it cannot be marked is not an error: it is slower, no more.
pub fn make_top_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)?;
    if let Err(error) = mark_as_top(path) {
        tracing::debug!(path = %path.display(), %error, "the directory cannot be marked as the top of a hierarchy");
    }
    Ok(())
}

fn mark_as_top(path: &Path) -> io::Result<()> {
    let directory = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    if fstatfs(&directory)?.filesystem_type() != EXT4_SUPER_MAGIC {
        return Ok(());
    }
    let flags = ioctl_getflags(&directory)?;
    if !flags.contains(IFlags::TOPDIR) {
        ioctl_setflags(&directory, flags | IFlags::TOPDIR)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_top_directory_is_made_once_and_marked_where_the_file_system_can() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/b");
        for _ in 0..2 {
            make_top_directory(&path).unwrap();
            let made = std::fs::File::open(&path).unwrap();
            let can = fstatfs(&made).unwrap().filesystem_type() == EXT4_SUPER_MAGIC;
            assert!(!can || ioctl_getflags(&made).unwrap().contains(IFlags::TOPDIR));
        }
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(make_top_directory(&file.join("c")).is_err());
    }
}
