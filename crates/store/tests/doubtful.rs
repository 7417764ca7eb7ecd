//! A transaction whose sync fails after its bytes have reached the disk: nobody was told that it took place, and yet it has;
//! watches then show it as it was asked, a deletion before the creation that followed it.

use bytes::Bytes;
use redb::{Builder, Database, StorageBackend};
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use store::{CommitError, Disk, DiskError, Embedded, Expect, Mutation, Note, Revision, Store, Write};

#[derive(Debug, Default)]
struct State {
    /// The database and its two logs.
    files: [Vec<u8>; 3],
    /// Syncs wait while it is closed.
    closed: bool,
    /// One waits.
    waits: bool,
    /// The next sync to begin fails.
    fails: bool,
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<(Mutex<State>, Condvar)>);

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn wait_until(&self, holds: impl Fn(&State) -> bool) {
        let mut state = self.0.0.lock().unwrap();
        while !holds(&state) {
            state = self.0.1.wait(state).unwrap();
        }
    }
}

impl Disk for Shared {
    fn open(&self, builder: &Builder) -> Result<Database, DiskError> {
        Ok(builder.create_with_backend(File(self.clone(), 0))?)
    }

    fn open_log(&self, number: usize) -> Result<Box<dyn StorageBackend>, DiskError> {
        Ok(Box::new(File(self.clone(), 1 + number)))
    }

    fn name(&self) -> String {
        "bytes".to_owned()
    }
}

#[derive(Debug)]
struct File(Shared, usize);

impl File {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        look(&mut self.0.0.0.lock().unwrap().files[self.1])
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|bytes| bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|bytes| out.copy_from_slice(&bytes[offset as usize..offset as usize + out.len()]));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|bytes| bytes.resize(len as usize, 0));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let disk = &self.0;
        let fails = {
            let mut state = disk.0.0.lock().unwrap();
            !state.closed && std::mem::take(&mut state.fails)
        };
        if fails {
            return Err(io::Error::other("input/output error at sync"));
        }
        disk.change(|state| state.waits = state.closed);
        disk.wait_until(|state| !state.closed);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset as usize + data.len();
        self.with(|bytes| {
            let length = bytes.len().max(end);
            bytes.resize(length, 0);
            bytes[offset as usize..end].copy_from_slice(data);
        });
        Ok(())
    }
}

fn write(key: &str, expect: Expect, value: Option<&'static str>) -> Write {
    let mutation = value.map_or(Mutation::Delete, |value| Mutation::Put(Bytes::from_static(value.as_bytes())));
    Write { key: key.into(), expect, mutation, ttl_seconds: None, note: Note::default() }
}

#[tokio::test]
async fn what_took_place_after_all_is_told_as_it_was_asked() {
    let disk = Shared::default();
    let store = Embedded::open_on(Box::new(disk.clone()), clock::system()).unwrap();
    let first = store.commit(write("k", Expect::Absent, Some("old"))).await.unwrap().revision;
    let mut watch = store.watch(first).await.unwrap();

    // while the writer waits for this one's sync, the next two come to stand in one group
    disk.change(|state| state.closed = true);
    let other = tokio::spawn(store.commit(write("other", Expect::Absent, Some("x"))));
    let waiting = disk.clone();
    tokio::task::spawn_blocking(move || waiting.wait_until(|state| state.waits)).await.unwrap();
    let mut deletion = store.commit(write("k", Expect::At(first), None));
    let mut creation = store.commit(write("k", Expect::Absent, Some("new")));
    assert!(futures::poll!(&mut deletion).is_pending() && futures::poll!(&mut creation).is_pending());
    disk.change(|state| (state.closed, state.fails) = (false, true));
    assert!(other.await.unwrap().is_ok());
    assert!(matches!(deletion.await, Err(CommitError::Io(_))));
    assert!(matches!(creation.await, Err(CommitError::Io(_))));

    // the next write finds what happened
    store.commit(write("last", Expect::Absent, Some("y"))).await.unwrap();
    let mut seen: Vec<(u64, String, bool)> = Vec::new();
    while seen.last().is_none_or(|(_, key, _)| key != "last") {
        let batch = watch.next().await.unwrap();
        seen.extend(batch.events.iter().map(|event| (event.revision.0, event.key.to_string(), event.value.is_some())));
    }
    let at = |after: u64, key: &str, put: bool| (first.0 + after, key.to_owned(), put);
    assert_eq!(seen, [at(1, "other", true), at(2, "k", false), at(3, "k", true), at(4, "last", true)]);
    assert_eq!(store.load().await.unwrap().revision, Revision(first.0 + 4));
}
