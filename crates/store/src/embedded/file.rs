//! The redb file: its tables, and the few things that are done with it.

use super::disk::Disk;
use super::expiry::Expiry;
use crate::{Entry, Event, Loaded, Revision};
use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::HashMap;
use std::sync::Arc;

/// Key → revision of the last write, value.
const OBJECTS: TableDefinition<'static, &str, (u64, &[u8])> = TableDefinition::new("objects");
/// `revision` → the last revision that was given.
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Key → when its value is to be deleted, in seconds of the Unix epoch. Only those that have such a time.
const EXPIRIES: TableDefinition<'static, &str, u64> = TableDefinition::new("expiries");
const REVISION: &str = "revision";

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
        let transaction = self.database.begin_read()?;
        Ok(Revision(transaction.open_table(META)?.get(REVISION)?.map_or(0, |r| r.value())))
    }

    /// The last revision, the revision of each key, and the deadlines.
    pub(super) fn known(&self) -> Result<Known, redb::Error> {
        let latest = self.latest()?;
        let transaction = self.database.begin_read()?;
        let mut index = Index::new();
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

    /// Writes events in one durable transaction, with the deadlines that they set or take away.
    pub(super) fn write(&self, events: &[Event], deadlines: &[(Arc<str>, Option<u64>)]) -> Result<(), redb::Error> {
        let Some(last) = events.last() else { return Ok(()) };
        let transaction = self.database.begin_write()?;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            for event in events {
                match &event.value {
                    Some(value) => objects.insert(&*event.key, (event.revision.0, &value[..]))?,
                    None => objects.remove(&*event.key)?,
                };
            }
            transaction.open_table(META)?.insert(REVISION, last.revision.0)?;
            if !deadlines.is_empty() {
                let mut expiries = transaction.open_table(EXPIRIES)?;
                for (key, deadline) in deadlines {
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
