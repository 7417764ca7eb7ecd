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
            crash_at: rng.random_range(1..1500),
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

#[derive(Debug)]
struct State {
    platter: Vec<u8>,
    cache: Vec<u8>,
    unsynced: Vec<Change>,
    /// The cache holds pages for clean that are not on the platter.
    lies: bool,
    /// A database was made whole: until then a crash leaves nothing, as the store makes files under another name.
    made: bool,
    blocks: HashSet<u64>,
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

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate()?;
        let touched = offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK);
        let new: Vec<u64> = touched.filter(|block| !self.blocks.contains(block)).collect();
        if (self.blocks.len() + new.len()) as u64 * BLOCK > self.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.blocks.extend(new);
        if self.rng.random_bool(self.faults.write_fails) {
            let some = data.len() / 2 / SECTOR * SECTOR;
            let change = Change::Write(offset, data[..some].to_vec());
            apply(&mut self.cache, &change);
            self.unsynced.push(change);
            return Err(io::Error::other("input/output error"));
        }
        let change = Change::Write(offset, data.to_vec());
        apply(&mut self.cache, &change);
        self.unsynced.push(change);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operate()?;
        let changes = std::mem::take(&mut self.unsynced);
        if self.rng.random_bool(self.faults.sync_fails) {
            apply_some(&mut self.platter, changes, &mut self.rng);
            self.lies = true;
            return Err(io::Error::other("input/output error at sync"));
        }
        changes.iter().for_each(|change| apply(&mut self.platter, change));
        Ok(())
    }
}

/// The disk as it lies there; clones are the same disk.
#[derive(Clone, Debug)]
pub struct Platter(Arc<Mutex<State>>);

impl Default for Platter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            platter: Vec::new(),
            cache: Vec::new(),
            unsynced: Vec::new(),
            lies: false,
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
        let changes = std::mem::take(&mut state.unsynced);
        apply_some(&mut state.platter, changes, rng);
        if !state.made {
            state.platter.clear();
            state.blocks.clear();
        }
        state.cache = state.platter.clone();
        state.dead = false;
        state.lies = false;
        state.capacity = u64::MAX;
        state.faults = Faults::none();
    }
}

impl Disk for Platter {
    fn open(&self, builder: &Builder) -> Result<Database, DiskError> {
        let made = {
            // As a file is opened: pages that are taken for clean go, those that wait to be written stay.
            let mut state = self.0.lock().unwrap();
            if std::mem::take(&mut state.lies) {
                let mut image = state.platter.clone();
                state.unsynced.iter().for_each(|change| apply(&mut image, change));
                state.cache = image;
            }
            if !state.made {
                (state.cache, state.unsynced) = (Vec::new(), Vec::new());
                state.platter.clear();
            }
            state.made
        };
        let database = builder.create_with_backend(Handle(self.clone()))?;
        if !made {
            let mut state = self.0.lock().unwrap();
            // What the rename needs: a sync of the whole.
            let changes = std::mem::take(&mut state.unsynced);
            changes.iter().for_each(|change| apply(&mut state.platter, change));
            state.made = true;
        }
        Ok(database)
    }

    fn name(&self) -> String {
        "a tortured disk".to_owned()
    }
}

#[derive(Debug)]
struct Handle(Platter);

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.0.lock().unwrap();
        let end = offset as usize + out.len();
        let found = state.cache.get(offset as usize..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        state.operate()?;
        state.blocks.retain(|block| *block < len.div_ceil(BLOCK));
        let change = Change::Length(len);
        apply(&mut state.cache, &change);
        state.unsynced.push(change);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.0.lock().unwrap().sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.0.lock().unwrap().write(offset, data)
    }
}
