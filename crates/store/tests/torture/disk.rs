//! A disk in memory with a cache in front of it, that loses power and has bad moments.
//!
//! What is written is in the cache; what is synced is on the platter. A crash leaves any part of what was not synced, in
//! any order, torn at sectors. A sync may fail: then the kernel takes pages for clean that are not on the platter, which
//! shows only when they are read from there again.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use redb::{Builder, Database, StorageBackend};
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};
use store::{Disk, DiskError};

const SECTOR: usize = 512;
const BLOCK: u64 = 4096;

/// What goes wrong in one life.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// The power goes at this operation; counted from when the faults are set.
    crash_at: u64,
    /// How often a write fails, having written some of its sectors.
    write_fails: f64,
    /// How often a sync fails, having synced some of the writes.
    sync_fails: f64,
    seed: u64,
}

impl Faults {
    pub fn none() -> Self {
        Self { crash_at: u64::MAX, write_fails: 0.0, sync_fails: 0.0, seed: 0 }
    }

    pub fn random(rng: &mut StdRng) -> Self {
        let sick = rng.random_bool(0.4);
        Self {
            crash_at: rng.random_range(1..600),
            write_fails: if sick { rng.random_range(0.0..0.01) } else { 0.0 },
            sync_fails: if sick { rng.random_range(0.0..0.1) } else { 0.0 },
            seed: rng.random(),
        }
    }
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// The database and its two logs.
const FILES: usize = 3;
/// Logs take turns after this many bytes: within one life, and often.
const LOG_BYTES: u64 = 96 << 10;

#[derive(Debug, Default)]
struct File {
    platter: Vec<u8>,
    cache: Vec<u8>,
    unsynced: Vec<Change>,
    /// The cache holds pages for clean that are not on the platter.
    lies: bool,
}

impl File {
    /// As a file is opened: pages that are taken for clean go, those that wait to be written stay.
    fn reread(&mut self) {
        if std::mem::take(&mut self.lies) {
            let mut image = self.platter.clone();
            self.unsynced.iter().for_each(|change| apply(&mut image, change));
            self.cache = image;
        }
    }

    /// All that was written reaches the platter.
    fn settle(&mut self) {
        let changes = std::mem::take(&mut self.unsynced);
        changes.iter().for_each(|change| apply(&mut self.platter, change));
    }
}

#[derive(Debug)]
struct State {
    files: [File; FILES],
    /// A database was made whole: until then a crash leaves nothing, as the store makes files under another name.
    made: bool,
    blocks: HashSet<(usize, u64)>,
    capacity: u64,
    operations: u64,
    dead: bool,
    faults: Faults,
    rng: StdRng,
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => image.resize(*length as usize, 0),
        Change::Write(offset, data) => {
            let end = *offset as usize + data.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*offset as usize..end].copy_from_slice(data);
        }
    }
}

/// Some of the changes, in another order, torn.
fn apply_some(image: &mut Vec<u8>, mut changes: Vec<Change>, rng: &mut StdRng) {
    // The length of a file is the file system's journal's: it comes in order.
    changes.retain(|change| match change {
        Change::Length(_) => {
            apply(image, change);
            false
        }
        Change::Write(..) => true,
    });
    if rng.random_bool(0.5) {
        changes.shuffle(rng);
    }
    let kept = rng.random_range(0.0..=1.0);
    for change in changes {
        let Change::Write(offset, data) = change else { continue };
        let tear = rng.random_bool(0.2);
        if !tear && rng.random_bool(kept) {
            apply(image, &Change::Write(offset, data));
        } else if tear {
            for (at, sector) in data.chunks(SECTOR).enumerate() {
                if rng.random_bool(0.5) {
                    apply(image, &Change::Write(offset + (at * SECTOR) as u64, sector.to_vec()));
                }
            }
        }
    }
}

impl State {
    /// Counts an operation; the power may go.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.operations >= self.faults.crash_at {
            self.dead = true;
        }
        if self.dead { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn write(&mut self, file: usize, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate()?;
        let touched = offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK);
        let new: Vec<_> = touched.map(|block| (file, block)).filter(|place| !self.blocks.contains(place)).collect();
        if (self.blocks.len() + new.len()) as u64 * BLOCK > self.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.blocks.extend(new);
        let fails = self.rng.random_bool(self.faults.write_fails);
        let some = if fails { data.len() / 2 / SECTOR * SECTOR } else { data.len() };
        let change = Change::Write(offset, data[..some].to_vec());
        let file = &mut self.files[file];
        apply(&mut file.cache, &change);
        file.unsynced.push(change);
        if fails { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        self.operate()?;
        let file = &mut self.files[file];
        if self.rng.random_bool(self.faults.sync_fails) {
            let changes = std::mem::take(&mut file.unsynced);
            apply_some(&mut file.platter, changes, &mut self.rng);
            file.lies = true;
            return Err(io::Error::other("input/output error at sync"));
        }
        file.settle();
        Ok(())
    }
}

/// The disk as it lies there; clones are the same disk.
#[derive(Clone, Debug)]
pub struct Platter(Arc<Mutex<State>>);

impl Default for Platter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            files: Default::default(),
            made: false,
            blocks: HashSet::new(),
            capacity: u64::MAX,
            operations: 0,
            dead: false,
            faults: Faults::none(),
            rng: StdRng::seed_from_u64(0),
        })))
    }
}

impl Platter {
    pub fn disk(&self) -> Box<dyn Disk> {
        Box::new(self.clone())
    }

    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.0.lock().unwrap();
        state.faults = faults;
        state.operations = 0;
        state.rng = StdRng::seed_from_u64(faults.seed);
    }

    /// How many bytes may be in use.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.lock().unwrap().capacity = bytes;
    }

    /// How many bytes are in use.
    pub fn used(&self) -> u64 {
        self.0.lock().unwrap().blocks.len() as u64 * BLOCK
    }

    pub fn is_dead(&self) -> bool {
        self.0.lock().unwrap().dead
    }

    /// The power goes, and comes back.
    pub fn crash(&self, rng: &mut StdRng) {
        let mut state = self.0.lock().unwrap();
        let made = state.made;
        for file in &mut state.files {
            let changes = std::mem::take(&mut file.unsynced);
            apply_some(&mut file.platter, changes, rng);
            if !made {
                file.platter.clear();
            }
            file.cache = file.platter.clone();
            file.lies = false;
        }
        if !made {
            state.blocks.clear();
        }
        state.dead = false;
        state.capacity = u64::MAX;
        state.faults = Faults::none();
    }
}

impl Disk for Platter {
    fn open(&self, builder: &Builder) -> Result<Database, DiskError> {
        let made = {
            let mut state = self.0.lock().unwrap();
            if !state.made {
                state.files = Default::default();
            }
            state.files[0].reread();
            state.made
        };
        let database = builder.create_with_backend(Handle(self.clone(), 0))?;
        if !made {
            let mut state = self.0.lock().unwrap();
            // What the rename needs: a sync of the whole.
            state.files[0].settle();
            state.made = true;
        }
        Ok(database)
    }

    fn open_log(&self, number: usize) -> Result<Box<dyn StorageBackend>, DiskError> {
        self.0.lock().unwrap().files[1 + number].reread();
        Ok(Box::new(Handle(self.clone(), 1 + number)))
    }

    fn log_bytes(&self) -> u64 {
        LOG_BYTES
    }

    fn name(&self) -> String {
        "a tortured disk".to_owned()
    }
}

/// One file of a disk.
#[derive(Debug)]
struct Handle(Platter, usize);

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().files[self.1].cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.0.lock().unwrap();
        let end = offset as usize + out.len();
        let found = state.files[self.1].cache.get(offset as usize..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        state.operate()?;
        state.blocks.retain(|(file, block)| *file != self.1 || *block < len.div_ceil(BLOCK));
        let change = Change::Length(len);
        let file = &mut state.files[self.1];
        apply(&mut file.cache, &change);
        file.unsynced.push(change);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.0.lock().unwrap().sync(self.1)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.0.lock().unwrap().write(self.1, offset, data)
    }
}
