//! The redb file: its tables, and the three things that are done with it.

use crate::{Entry, Event, Loaded, Revision};
use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Key → revision of the last write, value.
const OBJECTS: TableDefinition<'static, &str, (u64, &[u8])> = TableDefinition::new("objects");
/// `revision` → the last revision that was given.
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
const REVISION: &str = "revision";

/// Pages that redb may keep in memory, in bytes. Reads never come here after start, so only the tree's inner pages pay.
const CACHE_BYTES: usize = 16 << 20;

/// Key → revision of its last write.
pub(super) type Index = HashMap<Arc<str>, Revision>;

/// An open database with its tables.
pub(super) struct File {
    database: Database,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, redb::Error> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        let transaction = database.begin_write()?;
        transaction.open_table(OBJECTS)?;
        transaction.open_table(META)?;
        transaction.commit()?;
        Ok(Self { database })
    }

    /// The last revision, and the revision of each key.
    pub(super) fn index(&self) -> Result<(Revision, Index), redb::Error> {
        let transaction = self.database.begin_read()?;
        let latest = transaction.open_table(META)?.get(REVISION)?.map_or(0, |r| r.value());
        let mut index = Index::new();
        for row in transaction.open_table(OBJECTS)?.iter()? {
            let (key, value) = row?;
            index.insert(key.value().into(), Revision(value.value().0));
        }
        Ok((Revision(latest), index))
    }

    /// Everything.
    pub(super) fn load(&self) -> Result<Loaded, redb::Error> {
        let transaction = self.database.begin_read()?;
        let latest = transaction.open_table(META)?.get(REVISION)?.map_or(0, |r| r.value());
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
        Ok(Loaded { revision: Revision(latest), entries })
    }

    /// Writes events in one durable transaction.
    pub(super) fn write(&self, events: &[Event]) -> Result<(), redb::Error> {
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
        }
        transaction.commit()?;
        Ok(())
    }
}
