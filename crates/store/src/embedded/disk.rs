//! Where the database's bytes are: the seam at which tests put disks that tear, reorder, fail and fill up.

use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend};
use std::fs;
use std::path::{Path, PathBuf};

/// Why a disk could not give a database. Opaque, so that callers need not know which database it is.
pub type DiskError = redb::Error;

/// How long a log may become before it is merged into the database, in bytes. The more, the fewer pages of the database
/// are written for the same writes; the less, the sooner a server that was killed is there again.
const LOG_BYTES: u64 = 8 << 20;

/// A place for one database and its two logs. Opened again after every error.
pub trait Disk: Send + std::fmt::Debug + 'static {
    /// Opens the database that is there, or makes one.
    ///
    /// # Errors
    /// Whatever the place or the database has to say.
    fn open(&self, builder: &Builder) -> Result<Database, DiskError>;

    /// Opens log 0 or 1, or makes an empty one.
    ///
    /// # Errors
    /// Whatever the place has to say.
    fn open_log(&self, number: usize) -> Result<Box<dyn StorageBackend>, DiskError>;

    /// How long a log may become before it is merged into the database.
    fn log_bytes(&self) -> u64 {
        LOG_BYTES
    }

    /// What error messages call it.
    fn name(&self) -> String;
}

/// A file, and two more beside it.
#[derive(Debug)]
pub(super) struct OneFile(pub(super) PathBuf);

impl OneFile {
    /// Makes the file under another name first: a crash in the middle would leave one that is no database.
    fn make(&self, builder: &Builder) -> Result<(), DiskError> {
        let unfinished = self.0.with_extension("unfinished");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(DiskError::Io(error)),
            _ => {}
        }
        drop(builder.create(&unfinished)?);
        let made = fs::File::open(&unfinished)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&unfinished, &self.0))
            .and_then(|()| self.sync_directory());
        made.map_err(DiskError::Io)
    }

    /// Makes names durable.
    fn sync_directory(&self) -> std::io::Result<()> {
        let place = self.0.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(place)?.sync_all()
    }

    fn log_path(&self, number: usize) -> PathBuf {
        let mut name = self.0.clone().into_os_string();
        name.push(format!(".log{number}"));
        name.into()
    }
}

/// After a failed fsync the kernel takes pages for clean that never reached the disk. What we build on must be what is on
/// the disk, so the cached pages go first. (File systems without a cache may refuse: all the better.)
fn forget_pages(file: &fs::File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

impl Disk for OneFile {
    fn open(&self, builder: &Builder) -> Result<Database, DiskError> {
        if let Ok(file) = fs::File::open(&self.0) {
            forget_pages(&file);
        }
        if !self.0.exists() {
            self.make(builder)?;
        }
        Ok(builder.open(&self.0)?)
    }

    fn open_log(&self, number: usize) -> Result<Box<dyn StorageBackend>, DiskError> {
        let path = self.log_path(number);
        let is_new = !path.exists();
        let file = fs::File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(DiskError::Io)?;
        forget_pages(&file);
        if is_new {
            file.sync_all().and_then(|()| self.sync_directory()).map_err(DiskError::Io)?;
        }
        Ok(Box::new(FileBackend::new(file)?))
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }
}
