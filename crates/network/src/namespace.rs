//! Network namespaces that are held open by a bind mount on a file, as `ip netns` does, and netlink sockets inside them.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// A network namespace, named by the file that holds it.
#[derive(Debug)]
pub struct Namespace {
    path: PathBuf,
    file: File,
}

/// What went wrong with a namespace.
#[derive(Debug, thiserror::Error)]
#[error("network namespace {path}: {action}: {source}")]
pub struct NamespaceError {
    path: PathBuf,
    action: &'static str,
    source: io::Error,
}

impl NamespaceError {
    fn new(path: &Path, action: &'static str, source: impl Into<io::Error>) -> Self {
        Self { path: path.to_owned(), action, source: source.into() }
    }
}

impl Namespace {
    /// Makes a new namespace held by `path`. What was held there before is let go.
    pub fn create(path: &Path) -> Result<Self, NamespaceError> {
        Self::remove(path)?;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| NamespaceError::new(path, "make directory", e))?;
        }
        File::create(path).map_err(|e| NamespaceError::new(path, "create file", e))?;
        let target = path.to_owned();
        // a thread of its own: the namespace of the calling thread must not change
        let made = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let none: Option<&str> = None;
            mount(Some("/proc/thread-self/ns/net"), &target, none, MsFlags::MS_BIND, none)
        });
        match made.join() {
            Ok(Ok(())) => Self::open(path),
            Ok(Err(errno)) => Err(NamespaceError::new(path, "unshare and bind", errno)),
            Err(_) => Err(NamespaceError::new(path, "unshare and bind", io::Error::other("thread panicked"))),
        }
    }

    /// The namespace held by `path`.
    pub fn open(path: &Path) -> Result<Self, NamespaceError> {
        let file = File::open(path).map_err(|e| NamespaceError::new(path, "open", e))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// The namespace that the calling thread is in.
    pub fn current() -> Result<Self, NamespaceError> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// Lets go of the namespace held by `path`, if there is one. It ends when nobody else is in it.
    pub fn remove(path: &Path) -> Result<(), NamespaceError> {
        // several mounts may lie on each other after a crash between mount and use
        while umount2(path, MntFlags::MNT_DETACH).is_ok() {}
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(NamespaceError::new(path, "remove", error)),
            _ => Ok(()),
        }
    }

    /// The file that holds the namespace.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The namespace as a descriptor, for `setns` and for moving links.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `action` on a thread that is inside the namespace. Sockets opened there stay in it.
    pub fn run<T: Send>(&self, action: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let entered = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(self.fd(), CloneFlags::CLONE_NEWNET)?;
                Ok::<T, nix::Error>(action())
            });
            thread.join()
        });
        match entered {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(errno)) => Err(NamespaceError::new(&self.path, "enter", errno)),
            Err(_) => Err(NamespaceError::new(&self.path, "enter", io::Error::other("thread panicked"))),
        }
    }

    /// Writes a file below `/proc/sys/net` of the namespace: `sysctl("ipv4/ip_forward", "1")`.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<(), NamespaceError> {
        let file = Path::new("/proc/sys/net").join(name);
        let written = self.run(|| std::fs::write(&file, value))?;
        written.map_err(|e| NamespaceError::new(&self.path, "sysctl", e))
    }
}
