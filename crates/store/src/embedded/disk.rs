//! Where the database's bytes are: the seam at which tests put disks that tear, reorder, fail and fill up.

use redb::{Builder, Database};
use std::path::PathBuf;

/// Why a disk could not give a database. Opaque, so that callers need not know which database it is.
pub type DiskError = redb::Error;

/// A place for one database. Opened again after every error.
pub trait Disk: Send + std::fmt::Debug + 'static {
    /// Opens the database that is there, or makes one.
    ///
    /// # Errors
    /// Whatever the place or the database has to say.
    fn open(&self, builder: &Builder) -> Result<Database, DiskError>;

    /// What error messages call it.
    fn name(&self) -> String;
}

/// A file.
#[derive(Debug)]
pub(super) struct OneFile(pub(super) PathBuf);

impl Disk for OneFile {
    fn open(&self, builder: &Builder) -> Result<Database, DiskError> {
        // After a failed fsync the kernel takes pages for clean that never reached the disk. What we build on must be
        // what is on the disk, so the cached pages go first. (File systems without a cache may refuse: all the better.)
        if let Ok(file) = std::fs::File::open(&self.0) {
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
        Ok(builder.create(&self.0)?)
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }
}
