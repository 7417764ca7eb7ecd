//! The form in which a group of writes stands in the log. Pure.
//!
//! One record is one group: whole, with a checksum, or not there at all. All numbers are little-endian.

use crate::{Event, Note, Revision};
use bytes::Bytes;
use std::sync::Arc;

const MAGIC: u32 = u32::from_le_bytes(*b"PLOG");
/// Magic, checksum, length, epoch, first revision, events, deadlines.
pub(super) const HEAD_BYTES: usize = 36;
/// What the checksum covers begins after it.
const CHECKED_FROM: usize = 8;
/// The length of a value that is none: the key is gone.
const GONE: u32 = u32::MAX;

/// A deadline that a write sets or takes away, in seconds of the Unix epoch.
pub(super) type Deadline = (Arc<str>, Option<u64>);

/// A group that was read from a log.
#[derive(Debug)]
pub(super) struct Record {
    /// Of which turn of the log it is: see [`super::journal`].
    pub(super) epoch: u64,
    pub(super) events: Vec<Event>,
    pub(super) deadlines: Vec<Deadline>,
}

/// Writes a group, whose revisions follow one another, into `out`, which is emptied first.
pub(super) fn encode(epoch: u64, events: &[Event], deadlines: &[Deadline], out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEAD_BYTES, 0);
    for event in events {
        put_u32(out, length(event.key.len()));
        put_u32(out, event.value.as_ref().map_or(GONE, |value| length(value.len())));
        out.extend_from_slice(event.key.as_bytes());
        out.extend_from_slice(event.value.as_deref().unwrap_or_default());
    }
    for (key, deadline) in deadlines {
        put_u32(out, length(key.len()));
        out.push(u8::from(deadline.is_some()));
        out.extend_from_slice(&deadline.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(key.as_bytes());
    }
    let first = events.first().map_or(0, |event| event.revision.0);
    let total = length(out.len());
    out[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    out[8..12].copy_from_slice(&total.to_le_bytes());
    out[12..20].copy_from_slice(&epoch.to_le_bytes());
    out[20..28].copy_from_slice(&first.to_le_bytes());
    out[28..32].copy_from_slice(&length(events.len()).to_le_bytes());
    out[32..36].copy_from_slice(&length(deadlines.len()).to_le_bytes());
    let sum = crc32fast::hash(&out[CHECKED_FROM..]);
    out[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// A group is far smaller than 4 GiB: the queue in front of the writer bounds it.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Takes numbers and texts off the front of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn bytes(&mut self, count: u32) -> Option<&'a [u8]> {
        self.take(usize::try_from(count).ok()?)
    }

    fn text(&mut self, count: u32) -> Option<Arc<str>> {
        std::str::from_utf8(self.bytes(count)?).ok().map(Arc::from)
    }
}

/// How long the record is whose head this is; `None`: it is none.
pub(super) fn length_of(head: &[u8; HEAD_BYTES]) -> Option<usize> {
    let mut head = Reader(head);
    let (magic, _, length) = (head.u32()?, head.u32()?, head.u32()?);
    usize::try_from(length).ok().filter(|length| magic == MAGIC && *length >= HEAD_BYTES)
}

/// The record that these bytes are. `None`: they are none, or only a part of one.
pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
    let length = length_of(bytes.first_chunk()?)?;
    let sum = u32::from_le_bytes(bytes.get(4..CHECKED_FROM)?.try_into().ok()?);
    if length != bytes.len() || crc32fast::hash(&bytes[CHECKED_FROM..]) != sum {
        return None;
    }
    let mut rest = Reader(&bytes[CHECKED_FROM + 4..]);
    let (epoch, first, count, deadline_count) = (rest.u64()?, rest.u64()?, rest.u32()?, rest.u32()?);
    let mut record = Record { epoch, events: Vec::new(), deadlines: Vec::new() };
    for number in 0..u64::from(count) {
        let (key_length, value_length) = (rest.u32()?, rest.u32()?);
        let key = rest.text(key_length)?;
        let value = match value_length {
            GONE => None,
            length => Some(Bytes::copy_from_slice(rest.bytes(length)?)),
        };
        record.events.push(Event { revision: Revision(first + number), key, value, note: Note::default() });
    }
    for _ in 0..deadline_count {
        let (key_length, is_set, deadline) = (rest.u32()?, rest.u8()?, rest.u64()?);
        record.deadlines.push((rest.text(key_length)?, (is_set == 1).then_some(deadline)));
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(first: u64, writes: Vec<(String, Option<Vec<u8>>)>) -> Vec<Event> {
        let numbered = writes.into_iter().zip(first..);
        let event = |((key, value), revision): ((String, Option<Vec<u8>>), u64)| Event {
            revision: Revision(revision),
            key: key.into(),
            value: value.map(Bytes::from),
            note: Note::default(),
        };
        numbered.map(event).collect()
    }

    fn shown(events: &[Event]) -> Vec<(u64, &str, Option<&[u8]>)> {
        events.iter().map(|event| (event.revision.0, &*event.key, event.value.as_deref())).collect()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_no_part_of_it(
            epoch: u64,
            first in 1_u64..u64::MAX / 2,
            writes in proptest::collection::vec((".{0,20}", proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200))), 1..6),
            deadlines in proptest::collection::vec((".{0,20}", any::<Option<u64>>()), 0..4),
            cut: prop::sample::Index,
            flipped: prop::sample::Index,
        ) {
            let events = events(first, writes);
            let deadlines: Vec<Deadline> = deadlines.into_iter().map(|(key, at)| (key.into(), at)).collect();
            let mut bytes = vec![7; 3]; // what was there before goes
            encode(epoch, &events, &deadlines, &mut bytes);
            let record = decode(&bytes).unwrap();
            prop_assert_eq!((record.epoch, &record.deadlines), (epoch, &deadlines));
            prop_assert_eq!(shown(&record.events), shown(&events));
            prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_none());
            let at = flipped.index(bytes.len());
            bytes[at] ^= 0x10;
            prop_assert!(decode(&bytes).is_none());
        }
    }
}
