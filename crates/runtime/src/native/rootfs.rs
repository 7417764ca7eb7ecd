//! A container's root: an overlay over its image's layers, and the files that must be in it before libcontainer mounts the rest.

use crate::images::open_in_root;
use crate::service::{ImageConfig, Mount};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{Mode, OFlags};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// Longest account file that is read from an image.
const ACCOUNTS_MAX_BYTES: u64 = 4 << 20;
/// Entries copied from an image into one of its volumes.
const VOLUME_ENTRIES_MAX: usize = 100_000;

/// Where a container's root is built, below its directory.
pub(super) struct RootFs {
    pub directory: PathBuf,
}

impl RootFs {
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join("rootfs")
    }

    /// What the container writes, beside the files of its image.
    pub(super) fn upper(&self) -> PathBuf {
        self.directory.join("upper")
    }

    /// Mounts the overlay. `layers` are directories below `store`, lowest first.
    pub(super) fn mount(&self, store: &Path, layers: &[String]) -> io::Result<()> {
        let (upper, work) = (self.upper(), self.directory.join("work"));
        for path in [&upper, &work, &self.path()] {
            std::fs::create_dir_all(path)?;
        }
        std::fs::set_permissions(&upper, PermissionsExt::from_mode(0o755))?;
        let lower = if layers.is_empty() { self.empty()?.display().to_string() } else { lower_directories(layers) };
        let options = format!("lowerdir={lower},upperdir={},workdir={}", upper.display(), work.display());
        // Volatile leaves out the flush of the whole disk at unmounting: a container's own layer need not survive a crash of the
        // machine. Kernels before 5.10 do not know it.
        overlay(store, &self.path(), MsFlags::empty(), &format!("{options},volatile"))
            .or_else(|_| overlay(store, &self.path(), MsFlags::empty(), &options))
    }

    /// A directory with nothing in it.
    fn empty(&self) -> io::Result<PathBuf> {
        let empty = self.directory.join("empty");
        std::fs::create_dir_all(&empty)?;
        Ok(empty)
    }

    fn images(&self) -> PathBuf {
        self.directory.join("images")
    }

    /// Mounts an image of these layers, so that nobody can write to it, as the `number`th of this container; where `sub_path`
    /// of it is.
    pub(super) fn mount_image(
        &self,
        number: usize,
        store: &Path,
        layers: &[String],
        sub_path: &str,
    ) -> io::Result<PathBuf> {
        let (target, empty) = (self.images().join(number.to_string()), self.empty()?);
        std::fs::create_dir_all(&target)?;
        if !layers.is_empty() {
            // overlays that are only read need two directories
            let options = format!("lowerdir={}:{}", lower_directories(layers), empty.display());
            overlay(store, &target, MsFlags::MS_RDONLY, &options)?;
        }
        if sub_path.is_empty() {
            return Ok(target);
        }
        let found = open_in_root_at(&target, Path::new(sub_path), OFlags::PATH)?;
        std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))
    }

    /// Unmounts what is mounted; nothing mounted is fine.
    pub(super) fn unmount(&self) {
        let images = std::fs::read_dir(self.images()).into_iter().flatten().flatten();
        for path in images.map(|entry| entry.path()).chain([self.path()]) {
            let _ = umount2(&path, MntFlags::MNT_DETACH);
        }
    }

    /// A small text file of the root, links resolved inside it; empty if it is missing.
    pub(super) fn read(&self, path: &str) -> String {
        let mut text = String::new();
        let file = open_in_root_at(&self.path(), Path::new(path), OFlags::RDONLY | OFlags::NONBLOCK);
        if let Ok(file) = file {
            let _ = std::fs::File::from(file).take(ACCOUNTS_MAX_BYTES).read_to_string(&mut text); // what is there counts
        }
        text
    }

    /// Makes the working directory if it is missing, owned by root, in the root or in the mount that covers it.
    pub(super) fn make_working_directory(&self, path: &str, mounts: &[Mount]) -> io::Result<()> {
        let path = Path::new(path);
        let covering = mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.container_path))
            .max_by_key(|mount| mount.container_path.components().count());
        match covering {
            Some(mount) if !mount.readonly => {
                let rest = path.strip_prefix(&mount.container_path).unwrap_or(Path::new(""));
                if rest.as_os_str().is_empty() { Ok(()) } else { make_directories(&mount.host_path, rest) }
            }
            Some(_) => Ok(()), // a missing directory on a read-only mount is the start's to report
            None => make_directories(&self.path(), path),
        }
    }

    /// Directories for the volumes that the image wants and the container has not mounted, filled with what the image has there.
    pub(super) fn image_volumes(&self, image: &ImageConfig, own: &[Mount]) -> io::Result<Vec<Mount>> {
        let mut out = Vec::new();
        for (number, volume) in image.volumes.iter().enumerate() {
            let container_path = PathBuf::from(volume);
            if own.iter().any(|mount| mount.container_path == container_path) {
                continue;
            }
            let host_path = self.directory.join("volumes").join(number.to_string());
            std::fs::create_dir_all(&host_path)?;
            if let Ok(source) = open_in_root_at(&self.path(), &container_path, OFlags::PATH | OFlags::DIRECTORY) {
                let source = PathBuf::from(format!("/proc/self/fd/{}/.", source.as_raw_fd()));
                copy_tree(&source, &host_path, &mut 0)?;
            }
            out.push(Mount { host_path, container_path, ..Mount::default() });
        }
        Ok(out)
    }
}

/// Names of layers, lowest first, as overlayfs wants them.
fn lower_directories(layers: &[String]) -> String {
    layers.iter().rev().map(String::as_str).collect::<Vec<_>>().join(":")
}

/// Mounts an overlay. Mount options must fit in a page, so layers go by names relative to their directory. A thread with a working
/// directory of its own keeps the process's where it is.
fn overlay(store: &Path, target: &Path, flags: MsFlags, options: &str) -> io::Result<()> {
    let (store, target, options) = (store.to_owned(), target.to_owned(), options.to_owned());
    let mounted = std::thread::spawn(move || -> io::Result<()> {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)?;
        std::env::set_current_dir(&store)?;
        Ok(mount(Some("overlay"), &target, Some("overlay"), flags, Some(options.as_str()))?)
    });
    mounted.join().unwrap_or_else(|_| Err(io::Error::other("the mounting thread panicked")))
}

fn open_in_root_at(root: &Path, path: &Path, flags: OFlags) -> io::Result<std::os::fd::OwnedFd> {
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    open_in_root(root.as_fd(), path, flags)
}

fn make_directories(root: &Path, path: &Path) -> io::Result<()> {
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut so_far = PathBuf::new();
    let mut parent = open_in_root(root.as_fd(), Path::new("."), OFlags::PATH | OFlags::DIRECTORY)?;
    for component in
        path.components().filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir))
    {
        so_far.push(component);
        let open = || open_in_root(root.as_fd(), &so_far, OFlags::PATH | OFlags::DIRECTORY);
        parent = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                rustix::fs::mkdirat(&parent, component.as_os_str(), Mode::from_raw_mode(0o755))?;
                open()?
            }
            other => other?,
        };
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path, entries: &mut usize) -> io::Result<()> {
    let metadata = std::fs::metadata(from)?;
    std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    std::fs::set_permissions(to, metadata.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        *entries += 1;
        if *entries > VOLUME_ENTRIES_MAX {
            return Err(io::Error::other("a volume of the image holds too many files"));
        }
        let (metadata, target) = (entry.metadata()?, to.join(entry.file_name()));
        if metadata.is_dir() {
            std::fs::create_dir_all(&target)?;
            copy_tree(&entry.path(), &target, entries)?;
        } else if metadata.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
            std::os::unix::fs::lchown(&target, Some(metadata.uid()), Some(metadata.gid()))?;
        } else if metadata.is_file() {
            std::fs::copy(entry.path(), &target)?;
            std::os::unix::fs::chown(&target, Some(metadata.uid()), Some(metadata.gid()))?;
        }
    }
    Ok(())
}
