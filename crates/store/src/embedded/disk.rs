//! Where the database's bytes are: the seam at which tests put disks that tear, reorder, fail and fill up.

use redb::{Builder, Database};
use std::path::{Path, PathBuf};

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

impl OneFile {
    /// Makes the file under another name first: a crash in the middle would leave one that is no database.
    fn make(&self, builder: &Builder) -> Result<(), DiskError> {
        let unfinished = self.0.with_extension("unfinished");
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(DiskError::Io(error)),
            _ => {}
        }
        drop(builder.create(&unfinished)?);
        let place = self.0.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let made = std::fs::File::open(&unfinished)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&unfinished, &self.0))
            .and_then(|()| std::fs::File::open(place)?.sync_all());
        made.map_err(DiskError::Io)
    }
}

impl Disk for OneFile {
    fn open(&self, builder: &Builder) -> Result<Database, DiskError> {
        // After a failed fsync the kernel takes pages for clean that never reached the disk. What we build on must be
        // what is on the disk, so the cached pages go first. (File systems without a cache may refuse: all the better.)
        if let Ok(file) = std::fs::File::open(&self.0) {
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
        if !self.0.exists() {
            self.make(builder)?;
        }
        Ok(builder.open(&self.0)?)
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }
}
