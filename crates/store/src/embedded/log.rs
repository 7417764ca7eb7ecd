//! One of the two logs: records one after the other in a file that is written over again and again.
//!
//! The file grows by whole chunks of zeros and never shrinks, so that most appends change no metadata of the file: one
//! `fdatasync` then is one write to the disk and one flush. What not: when it begins anew; that is the journal's.

use super::record::{self, Record};
use redb::StorageBackend;
use std::io;

/// By how much the file grows, in bytes: every so many bytes an append waits for the file's length too.
const CHUNK_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Log {
    file: Box<dyn StorageBackend>,
    /// Where the next record goes.
    position: u64,
    /// How far the file has been written, with zeros or else.
    extent: u64,
}

impl Log {
    /// The log and the records that it begins with: of one turn, and none if that is before epoch `wanted`.
    pub(super) fn open(file: Box<dyn StorageBackend>, wanted: u64) -> io::Result<(Self, Vec<Record>)> {
        let mut log = Self { extent: file.len()?, file, position: 0 };
        let (mut records, mut bytes): (Vec<Record>, Vec<u8>) = (Vec::new(), Vec::new());
        while let Some(record) = log.read(&mut bytes)?
            && record.epoch >= wanted
            && records.first().is_none_or(|first| first.epoch == record.epoch)
        {
            log.position += bytes.len() as u64;
            records.push(record);
        }
        // What a process before us has written, or we before an error, may be in the kernel's memory alone. Nobody may be
        // shown what a loss of power would take back.
        if !records.is_empty() {
            log.file.sync_data()?;
        }
        Ok((log, records))
    }

    /// The record at the present position, with its bytes.
    fn read(&self, bytes: &mut Vec<u8>) -> io::Result<Option<Record>> {
        let left = self.extent - self.position;
        let mut head = [0; record::HEAD_BYTES];
        if left < head.len() as u64 {
            return Ok(None);
        }
        self.file.read(self.position, &mut head)?;
        let Some(length) = record::length_of(&head).filter(|length| *length as u64 <= left) else { return Ok(None) };
        bytes.resize(length, 0);
        self.file.read(self.position, bytes)?;
        Ok(record::decode(bytes))
    }

    /// Where the next record goes.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// What is there will be written over.
    pub(super) fn rewind(&mut self) {
        self.position = 0;
    }

    /// Writes a record and waits until it is on the disk.
    pub(super) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let end = self.position + record.len() as u64;
        self.file.write(self.position, record)?;
        if end > self.extent {
            let extent = end.next_multiple_of(CHUNK_BYTES);
            self.file.write(end, &vec![0; usize::try_from(extent - end).map_err(io::Error::other)?])?;
            self.extent = extent;
        }
        self.file.sync_data()?;
        self.position = end;
        Ok(())
    }
}
