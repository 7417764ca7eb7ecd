//! Unpacks one layer's tar into a directory that overlayfs can use as a lower one.
//!
//! Whiteouts become what overlayfs knows: `.wh.x` a character device 0:0 named `x`, `.wh..wh..opq` the opaque attribute. Entries
//! cannot leave the directory: every parent is resolved inside it by the kernel (`RESOLVE_IN_ROOT`), and the last
//! component is never followed.

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Entries in one layer, so that a hostile archive cannot use up all inodes: far above any real image.
const ENTRIES_MAX: u64 = 2_000_000;
/// Longest path, the kernel's limit.
const PATH_LENGTH_MAX: usize = 4096;

const WHITEOUT_PREFIX: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Unpacks `tar` (not compressed) into the existing directory `into`.
pub(crate) fn unpack(tar: impl Read, into: &Path) -> io::Result<()> {
    let root = rustix::fs::openat(CWD, into, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut unpacker = Unpacker { root, parent: None, directory_times: Vec::new() };
    let mut archive = tar::Archive::new(tar);
    for (count, entry) in (0_u64..).zip(archive.entries()?) {
        if count >= ENTRIES_MAX {
            return Err(invalid(format!("layer has more than {ENTRIES_MAX} entries")));
        }
        unpacker.entry(&mut entry?)?;
    }
    unpacker.finish()
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

struct Unpacker {
    root: OwnedFd,
    /// The last parent directory used: most entries share it with the one before.
    parent: Option<(PathBuf, OwnedFd)>,
    /// Times of directories, set last since filling a directory changes them.
    directory_times: Vec<(PathBuf, i64)>,
}

impl Unpacker {
    fn entry<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if matches!(kind, tar::EntryType::XGlobalHeader) {
            return Ok(());
        }
        let path = clean(&entry.path()?)?;
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            return self.attributes_of_root(entry);
        };
        let parent_path = path.parent().unwrap_or(Path::new("")).to_owned();
        let parent = self.open_parent(&parent_path)?;
        if name.as_bytes() == OPAQUE {
            let directory = self.open_directory(&parent_path)?;
            let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&directory));
            rustix::fs::setxattr(through, "trusted.overlay.opaque", b"y", XattrFlags::empty())?;
            return Ok(());
        }
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT_PREFIX) {
            let hidden = OsStr::from_bytes(hidden);
            remove(&parent, hidden)?;
            return Ok(rustix::fs::mknodat(&parent, hidden, FileType::CharacterDevice, Mode::empty(), 0)?);
        }
        if !self.create(entry, kind, &parent, &name)? {
            return Ok(());
        }
        attributes(entry, &parent, &name, kind)?;
        if kind.is_dir() {
            self.directory_times.push((path, modified(entry)));
        }
        Ok(())
    }

    /// Makes the entry itself; false if there is nothing to set attributes on.
    fn create<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        kind: tar::EntryType,
        parent: &OwnedFd,
        name: &OsStr,
    ) -> io::Result<bool> {
        let device = || -> io::Result<u64> {
            let header = entry.header();
            Ok(rustix::fs::makedev(header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)))
        };
        match kind {
            tar::EntryType::Directory => {
                if let Err(error) = rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
                    let there = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
                    let is_directory = there.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir());
                    if error != rustix::io::Errno::EXIST {
                        return Err(error.into());
                    }
                    if !is_directory {
                        remove(parent, name)?;
                        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
                    }
                }
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                remove(parent, name)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file =
                    std::fs::File::from(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
                io::copy(entry, &mut file)?;
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name()?.ok_or_else(|| invalid("symbolic link without target"))?;
                remove(parent, name)?;
                rustix::fs::symlinkat(&*target, parent, name)?;
            }
            tar::EntryType::Link => {
                let target = clean(&entry.link_name()?.ok_or_else(|| invalid("hard link without target"))?)?;
                let target_name = target.file_name().ok_or_else(|| invalid("hard link to the root"))?.to_owned();
                let target_parent = self.open_directory(target.parent().unwrap_or(Path::new("")))?;
                remove(parent, name)?;
                rustix::fs::linkat(&target_parent, &target_name, parent, name, AtFlags::empty())?;
                return Ok(false);
            }
            tar::EntryType::Char => {
                remove(parent, name)?;
                rustix::fs::mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), device()?)?;
            }
            tar::EntryType::Block => {
                remove(parent, name)?;
                rustix::fs::mknodat(parent, name, FileType::BlockDevice, Mode::empty(), device()?)?;
            }
            tar::EntryType::Fifo => {
                remove(parent, name)?;
                rustix::fs::mknodat(parent, name, FileType::Fifo, Mode::empty(), 0)?;
            }
            other => return Err(invalid(format!("tar entry of unknown type {other:?}"))),
        }
        Ok(true)
    }

    fn attributes_of_root<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> io::Result<()> {
        let header = entry.header();
        let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.root));
        let (uid, gid) = (Uid::from_raw(header.uid()? as u32), Gid::from_raw(header.gid()? as u32));
        rustix::fs::chownat(CWD, &through, Some(uid), Some(gid), AtFlags::empty())?;
        Ok(rustix::fs::chmod(&through, Mode::from_raw_mode(header.mode()? & 0o7777))?)
    }

    /// The directory at `path`, made with its parents if missing.
    fn open_parent(&mut self, path: &Path) -> io::Result<OwnedFd> {
        if let Some((cached, fd)) = &self.parent
            && cached == path
        {
            return fd.try_clone();
        }
        let fd = match self.open_directory(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_parents(path)?,
            other => other?,
        };
        self.parent = Some((path.to_owned(), fd.try_clone()?));
        Ok(fd)
    }

    fn make_parents(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut so_far = PathBuf::new();
        let mut directory = self.root.try_clone()?;
        for component in path.components() {
            match rustix::fs::mkdirat(&directory, component.as_os_str(), Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            so_far.push(component);
            directory = self.open_directory(&so_far)?;
        }
        Ok(directory)
    }

    fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        open_in_root(self.root.as_fd(), path, OFlags::PATH | OFlags::DIRECTORY)
    }

    fn finish(self) -> io::Result<()> {
        for (path, seconds) in self.directory_times.iter().rev() {
            // A later entry may have replaced it: then there is nothing to set.
            let Ok(directory) = self.open_directory(path) else { continue };
            let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&directory));
            rustix::fs::utimensat(CWD, through, &times(*seconds), AtFlags::empty())?;
        }
        Ok(())
    }
}

/// Opens `path` as if `root` were `/`: symbolic links and `..` cannot leave it.
pub(crate) fn open_in_root(root: std::os::fd::BorrowedFd<'_>, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Ok(rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)?)
}

/// The path without leading `/` and `.` components; `..` is refused.
fn clean(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().len() > PATH_LENGTH_MAX {
        return Err(invalid("path too long"));
    }
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => out.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(invalid(format!("path {} leaves the layer", path.display())));
            }
        }
    }
    Ok(out)
}

/// Removes whatever an earlier entry left under this name.
fn remove(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(rustix::io::Errno::ISDIR) => {
            let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(parent));
            std::fs::remove_dir_all(Path::new(&through).join(name))
        }
        Err(error) => Err(error.into()),
    }
}

fn modified<R: Read>(entry: &tar::Entry<'_, R>) -> i64 {
    entry.header().mtime().ok().and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0)
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn attributes<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    parent: &OwnedFd,
    name: &OsStr,
    kind: tar::EntryType,
) -> io::Result<()> {
    let header = entry.header();
    let (uid, gid, mode) = (header.uid()?, header.gid()?, header.mode()?);
    let number = |id: u64| u32::try_from(id).map_err(|_| invalid("owner out of range"));
    let (uid, gid) = (Uid::from_raw(number(uid)?), Gid::from_raw(number(gid)?));
    let seconds = modified(entry);
    rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if kind != tar::EntryType::Symlink {
        rustix::fs::chmodat(parent, name, Mode::from_raw_mode(mode & 0o7777), AtFlags::empty())?;
    }
    let through = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(parent))).join(name);
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            let Some(key) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") else { continue };
            let key = OsString::from(OsStr::from_bytes(key));
            // overlayfs's own attributes are ours to set, and a file system without the others loses little.
            if !key.as_bytes().starts_with(b"trusted.overlay.") {
                let _ = rustix::fs::lsetxattr(&through, key, extension.value_bytes(), XattrFlags::empty());
            }
        }
    }
    Ok(rustix::fs::utimensat(parent, name, &times(seconds), AtFlags::SYMLINK_NOFOLLOW)?)
}
