//! The database behind two logs that take turns.
//!
//! A group of writes is acknowledged once it stands in the active log: one write and one `fdatasync`, where a transaction
//! of the database takes a dozen of pages. When the log is full, the other one takes over, and a thread merges what the
//! first one held into the database, in one transaction.
//!
//! Each turn of a log has a number, its epoch, and the database knows the first epoch that it does not hold. So after a
//! crash: the records of that epoch and the one after it, as far as they are whole and their revisions follow the
//! database's, are what it lacks. They are merged before anything is appended, and the next epoch is greater than any
//! that a log may hold.

use super::disk::Disk;
use super::file::{File, Known};
use super::log::Log;
use super::pending::Pending;
use super::record::{self, Deadline, Record};
use crate::{Event, Loaded, Revision};
use std::sync::Arc;
use std::thread::JoinHandle;

type Merged = Result<(), redb::Error>;

/// An open database with its logs.
pub(super) struct Journal {
    database: Arc<File>,
    logs: [Log; 2],
    active: usize,
    /// The active log's.
    epoch: u64,
    /// How long a log may become before the other takes over.
    log_bytes: u64,
    /// In the active log and not in the database.
    pending: Pending,
    /// In the other log, and on its way into the database.
    merging: Option<JoinHandle<Merged>>,
    /// Just opened: what the logs hold has to be merged before they are written again.
    found: bool,
    /// The logs hold records that the database does not know of, whether they are of use or not.
    unknown: bool,
    /// The record that is being written; kept, so that it need not grow anew each time.
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens all three files and finds out what the database lacks. `used` is the last epoch that this process has written.
    pub(super) fn open(disk: &dyn Disk, used: u64) -> Result<Self, redb::Error> {
        let database = Arc::new(File::open(disk)?);
        let (wanted, latest) = (database.epoch()?, database.latest()?);
        let (first, first_records) = Log::open(disk.open_log(0)?, wanted).map_err(redb::Error::Io)?;
        let (second, second_records) = Log::open(disk.open_log(1)?, wanted).map_err(redb::Error::Io)?;
        let last = |records: &[Record]| records.last().map_or(0, |record| record.epoch);
        let epoch = wanted.max(used).max(last(&first_records)).max(last(&second_records));
        let unknown = !first_records.is_empty() || !second_records.is_empty();
        let pending = lacking([first_records, second_records], latest);
        let log_bytes = disk.log_bytes();
        let (logs, merging, buffer) = ([first, second], None, Vec::new());
        Ok(Self { database, logs, active: 0, epoch, log_bytes, pending, merging, found: true, unknown, buffer })
    }

    /// The active log's number of its turn.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The last revision. Only before the first append.
    pub(super) fn latest(&self) -> Result<Revision, redb::Error> {
        Ok(self.database.latest()?.max(self.pending.latest))
    }

    /// The last revision, the revision of each key, and the deadlines. Only before the first append.
    pub(super) fn known(&self) -> Result<Known, redb::Error> {
        let mut known = self.database.known()?;
        known.latest = known.latest.max(self.pending.latest);
        for (key, (revision, value)) in &self.pending.objects {
            match value {
                Some(_) => drop(known.index.insert(key.clone(), *revision)),
                None => drop(known.index.remove(key)),
            }
        }
        self.pending.deadlines.iter().for_each(|(key, deadline)| known.expiry.set(key, *deadline));
        Ok(known)
    }

    /// Everything. Writes nothing, so that a full disk can be read.
    pub(super) fn load(&mut self) -> Result<Loaded, redb::Error> {
        self.wait()?;
        let Loaded { revision, entries } = self.database.load()?;
        Ok(Loaded { revision: revision.max(self.pending.latest), entries: self.pending.on_top_of(entries) })
    }

    /// Writes a group; when this returns, it is durable. After an error the journal must be opened again.
    pub(super) fn append(&mut self, events: &[Event], deadlines: &[Deadline]) -> Result<(), redb::Error> {
        if self.found {
            self.merge()?;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        record::encode(self.epoch, events, deadlines, &mut buffer);
        let position = self.logs[self.active].position();
        if position > 0 && position + buffer.len() as u64 > self.log_bytes {
            self.turn()?;
            record::encode(self.epoch, events, deadlines, &mut buffer);
        }
        self.logs[self.active].append(&buffer).map_err(redb::Error::Io)?;
        self.buffer = buffer;
        self.pending.add(events, deadlines);
        Ok(())
    }

    /// The other log takes over, once the database has what that one held.
    fn turn(&mut self) -> Result<(), redb::Error> {
        self.wait()?;
        self.epoch += 1;
        self.active = 1 - self.active;
        self.logs[self.active].rewind();
        let (database, pending, epoch) = (self.database.clone(), std::mem::take(&mut self.pending), self.epoch);
        let merge = move || database.merge(&pending, epoch);
        let thread = std::thread::Builder::new().name("store-merge".to_owned()).spawn(merge);
        self.merging = Some(thread.map_err(redb::Error::Io)?);
        Ok(())
    }

    /// Waits for a merge that is under way.
    fn wait(&mut self) -> Result<(), redb::Error> {
        let merged = self.merging.take().map(JoinHandle::join);
        match merged {
            None => Ok(()),
            Some(Ok(merged)) => merged,
            Some(Err(_)) => Err(redb::Error::Io(std::io::Error::other("the merging thread panicked"))),
        }
    }

    /// Puts into the database whatever it lacks; then the logs begin anew.
    pub(super) fn merge(&mut self) -> Result<(), redb::Error> {
        self.wait()?;
        if self.unknown || !self.pending.is_empty() {
            // Records that were of no use may not be found again beside later ones: the epoch says so.
            self.database.merge(&self.pending, self.epoch + 1)?;
            self.pending = Pending::default();
        }
        self.epoch += 1;
        self.active = 0;
        self.logs.iter_mut().for_each(Log::rewind);
        (self.found, self.unknown) = (false, false);
        Ok(())
    }
}

impl Drop for Journal {
    /// The database can be opened again only when the merging thread has let go of it.
    fn drop(&mut self) {
        if let Err(error) = self.wait() {
            tracing::warn!(%error, "a log could not be merged");
        }
    }
}

/// What of the logs, whose records are of epochs that the database lacks, follows its revision.
fn lacking(logs: [Vec<Record>; 2], mut latest: Revision) -> Pending {
    let mut records: Vec<Record> = logs.into_iter().flatten().collect();
    records.sort_by_key(|record| record.epoch); // stable: those of a log stay in their order
    let mut pending = Pending::default();
    for Record { events, deadlines, .. } in records {
        if events.first().is_none_or(|first| first.revision.0 != latest.0 + 1) {
            break;
        }
        pending.add(&events, &deadlines);
        latest = pending.latest;
    }
    pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Note;

    fn record(epoch: u64, revision: u64) -> Record {
        let (key, value) = (format!("k{revision}").into(), Some(bytes::Bytes::from_static(b"v")));
        let events = vec![Event { revision: Revision(revision), key, value, note: Note::default() }];
        Record { epoch, events, deadlines: Vec::new() }
    }

    #[test]
    fn what_the_database_lacks_is_taken_in_the_order_of_the_turns() {
        let found = |logs, latest| lacking(logs, Revision(latest)).latest.0;
        // the second log took over from the first
        assert_eq!(found([vec![record(4, 10), record(4, 11)], vec![record(5, 12)]], 9), 12);
        // and the first from the second again
        assert_eq!(found([vec![record(6, 13)], vec![record(5, 12)]], 11), 13);
        // the database has the older turn already
        assert_eq!(found([Vec::new(), vec![record(5, 12)]], 11), 12);
        // nothing after a gap
        assert_eq!(found([vec![record(4, 10)], vec![record(5, 12)]], 9), 10);
        assert_eq!(found([vec![record(4, 10)], Vec::new()], 8), 0);
    }
}
