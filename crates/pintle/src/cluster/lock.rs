//! One `up` or `down` at a time in a data directory.

use super::layout::Layout;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// Why the directory cannot be worked in.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("another `pintle up` or `pintle down` is at work in {0}")]
    Busy(PathBuf),
    /// The file cannot be made.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Held while this value lives; the kernel lets go of it when the process ends in any way.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] Flock<File>); // never read: being there is its work

impl Lock {
    /// Takes the lock, without waiting.
    pub fn take(layout: &Layout) -> Result<Self, LockError> {
        let path = layout.data_dir().join("lock");
        let failed = |source| LockError::File { path: path.clone(), source };
        fs::create_dir_all(layout.data_dir()).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Err(LockError::Busy(layout.data_dir().to_owned())),
            Err((_, errno)) => Err(failed(errno.into())),
        }
    }
}
