//! Which processes use one store at the same time: a kubelet, and `pintle image` beside it.
//!
//! Why: what one process is unpacking no index names yet, so that only a process that is alone may sweep; and the index is
//! read, changed and replaced by one at a time. Each process locks a file of its own for as long as it has the store open; the
//! kernel lets go of it when the process dies, however it dies.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files that are locked by who uses the store.
const USERS: &str = "users";
/// Locked while the index changes, while somebody sweeps, and while somebody comes.
const GATE: &str = "lock";

/// A process's use of a store.
#[derive(Debug)]
pub(super) struct Membership {
    root: PathBuf,
    own: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

/// While it lives, no other process changes the index, sweeps, or comes.
pub(super) struct Gate(#[expect(dead_code, reason = "closing it unlocks")] File);

impl Membership {
    /// Joins those who use the store. `first` is called when there is nobody else, before anyone else can come.
    pub(super) fn join(root: &Path, first: impl FnOnce() -> io::Result<()>) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let users = root.join(USERS);
        fs::create_dir_all(&users)?;
        let _gate = gate(root)?;
        if others(&users, None)? == 0 {
            first()?;
        }
        let own = users.join(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let lock = File::create(&own)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { root: root.to_owned(), own, _lock: lock })
    }

    /// Waits until no other process changes the index or sweeps.
    pub(super) fn gate(&self) -> io::Result<Gate> {
        gate(&self.root)
    }

    /// Whether no other process uses the store, given that none can come.
    pub(super) fn is_alone(&self, _gate: &Gate) -> io::Result<bool> {
        Ok(others(&self.root.join(USERS), Some(&self.own))? == 0)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.own); // one that stays is not locked, and goes with the next who looks
    }
}

fn gate(root: &Path) -> io::Result<Gate> {
    // opened anew each time: a lock belongs to the open file, which threads would share
    let file = File::options().create(true).truncate(false).write(true).open(root.join(GATE))?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(Gate(file))
}

/// How many files but `own` are locked; those of the dead are removed.
fn others(users: &Path, own: Option<&Path>) -> io::Result<usize> {
    let mut alive = 0;
    for entry in fs::read_dir(users)? {
        let path = entry?.path();
        if own == Some(&path) {
            continue;
        }
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let _ = fs::remove_file(&path); // one that is gone already is gone
            }
            Err(rustix::io::Errno::WOULDBLOCK) => alive += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(alive)
}
