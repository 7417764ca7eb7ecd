//! The redb file: its tables, and the few things that are done with it.

use super::disk::Disk;
use super::expiry::Expiry;
use super::pending::Pending;
use crate::{Entry, Loaded, Revision};
use bytes::Bytes;
use foldhash::HashMap;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::sync::Arc;

/// Key → revision of the last write, value.
const OBJECTS: TableDefinition<'static, &str, (u64, &[u8])> = TableDefinition::new("objects");
/// `revision` → the last revision that is here; `epoch` → the first turn of the logs that is not here.
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Key → when its value is to be deleted, in seconds of the Unix epoch. Only those that have such a time.
const EXPIRIES: TableDefinition<'static, &str, u64> = TableDefinition::new("expiries");
const REVISION: &str = "revision";
const EPOCH: &str = "epoch";

/// Pages that redb may keep in memory, in bytes. Reads never come here after start, so only the tree's inner pages pay.
const CACHE_BYTES: usize = 8 << 20;

/// Key → revision of its last write.
pub(super) type Index = HashMap<Arc<str>, Revision>;

/// What the writer keeps in memory.
pub(super) struct Known {
    pub(super) latest: Revision,
    pub(super) index: Index,
    pub(super) expiry: Expiry,
}

/// An open database with its tables.
pub(super) struct File {
    database: Database,
}

impl File {
    pub(super) fn open(disk: &dyn Disk) -> Result<Self, redb::Error> {
        let database = disk.open(Database::builder().set_cache_size(CACHE_BYTES))?;
        let file = Self { database };
        if !file.has_tables()? {
            let transaction = file.database.begin_write()?;
            transaction.open_table(OBJECTS)?;
            transaction.open_table(META)?;
            transaction.open_table(EXPIRIES)?;
            transaction.commit()?;
        }
        Ok(file)
    }

    fn has_tables(&self) -> Result<bool, redb::Error> {
        match self.database.begin_read()?.open_table(EXPIRIES) {
            Ok(_) => Ok(true),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The last revision.
    pub(super) fn latest(&self) -> Result<Revision, redb::Error> {
        self.number(REVISION).map(Revision)
    }

    /// The first epoch whose records are not here.
    pub(super) fn epoch(&self) -> Result<u64, redb::Error> {
        self.number(EPOCH)
    }

    fn number(&self, name: &str) -> Result<u64, redb::Error> {
        let transaction = self.database.begin_read()?;
        Ok(transaction.open_table(META)?.get(name)?.map_or(0, |number| number.value()))
    }

    /// The last revision, the revision of each key, and the deadlines.
    pub(super) fn known(&self) -> Result<Known, redb::Error> {
        let latest = self.latest()?;
        let transaction = self.database.begin_read()?;
        let mut index = Index::default();
        for row in transaction.open_table(OBJECTS)?.iter()? {
            let (key, value) = row?;
            index.insert(key.value().into(), Revision(value.value().0));
        }
        let mut expiry = Expiry::default();
        for row in transaction.open_table(EXPIRIES)?.iter()? {
            let (key, deadline) = row?;
            expiry.set(&key.value().into(), Some(deadline.value()));
        }
        Ok(Known { latest, index, expiry })
    }

    /// Everything.
    pub(super) fn load(&self) -> Result<Loaded, redb::Error> {
        let revision = self.latest()?;
        let transaction = self.database.begin_read()?;
        let mut entries = Vec::new();
        for row in transaction.open_table(OBJECTS)?.iter()? {
            let (key, value) = row?;
            let (revision, bytes) = value.value();
            entries.push(Entry {
                key: key.value().into(),
                revision: Revision(revision),
                value: Bytes::copy_from_slice(bytes),
            });
        }
        Ok(Loaded { revision, entries })
    }

    /// Takes writes in, in one durable transaction; all that the logs hold of epochs before `epoch` is then here.
    pub(super) fn merge(&self, pending: &Pending, epoch: u64) -> Result<(), redb::Error> {
        let mut written: Vec<_> = pending.objects.iter().collect();
        written.sort_unstable_by_key(|(key, _)| *key); // neighbours share pages
        let transaction = self.database.begin_write()?;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            for (key, (revision, value)) in written {
                match value {
                    Some(value) => objects.insert(&**key, (revision.0, &value[..]))?,
                    None => objects.remove(&**key)?,
                };
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert(EPOCH, epoch)?;
            if !pending.is_empty() {
                meta.insert(REVISION, pending.latest.0)?;
            }
            if !pending.deadlines.is_empty() {
                let mut expiries = transaction.open_table(EXPIRIES)?;
                for (key, deadline) in &pending.deadlines {
                    match deadline {
                        Some(deadline) => expiries.insert(&**key, *deadline)?,
                        None => expiries.remove(&**key)?,
                    };
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
