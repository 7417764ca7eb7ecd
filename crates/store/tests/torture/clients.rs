//! Clients: each writes a few keys that all of them want, as fast as it is answered.

use crate::disk::Platter;
use crate::history::{Done, History};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{CommitError, Embedded, Expect, Revision, Store};

const CLIENTS: usize = 8;
const KEYS: u32 = 12;
/// The largest value, in bytes: over several pages.
const MAX_VALUE_BYTES: usize = 9000;
/// Writes of one client in one life at most.
const MAX_WRITES: usize = 60;
/// Failures in a row after which a client gives up: the disk is dead, or as good as.
const PATIENCE: usize = 8;

struct Client {
    store: Arc<dyn Store>,
    rng: StdRng,
    acknowledged: Arc<AtomicU64>,
    values: Arc<AtomicU64>,
    /// What it last heard of each key.
    known: Vec<Option<Revision>>,
    done: Vec<Done>,
}

impl Client {
    fn value(&mut self) -> Bytes {
        let number = self.values.fetch_add(1, Ordering::Relaxed);
        let length = self.rng.random_range(0..MAX_VALUE_BYTES);
        format!("{number}:{}", "x".repeat(length)).into()
    }

    async fn write(&mut self, index: u32, expect: Expect, value: Option<Bytes>) {
        let key: Arc<str> = format!("/key/{index}").into();
        let asked_after = Revision(self.acknowledged.load(Ordering::SeqCst));
        let answer = Err(CommitError::Closed);
        let mut done = Done { key, expect, value, asked_after, answer };
        done.answer = self.store.commit(done.write()).await;
        let known = &mut self.known[index as usize];
        match &done.answer {
            Ok(committed) => {
                self.acknowledged.fetch_max(committed.revision.0, Ordering::SeqCst);
                *known = done.value.as_ref().map(|_| committed.revision);
            }
            Err(CommitError::Conflict { actual, .. }) => *known = *actual,
            Err(_) => {}
        }
        self.done.push(done);
    }

    async fn step(&mut self) {
        let index = self.rng.random_range(0..KEYS);
        let known = self.known[index as usize];
        let expect = match self.rng.random_range(0..10) {
            0 => Expect::Absent,
            1 => Expect::Any,
            2 => Expect::At(Revision(self.rng.random_range(0..200))),
            _ => known.map_or(Expect::Absent, Expect::At),
        };
        let value = if self.rng.random_bool(0.8) { Some(self.value()) } else { None };
        self.write(index, expect, value).await;
    }
}

fn client(store: Arc<dyn Store>, rng: &mut StdRng, history: &History) -> Client {
    Client {
        store,
        rng: StdRng::seed_from_u64(rng.random()),
        acknowledged: history.acknowledged.clone(),
        values: history.values.clone(),
        known: vec![None; KEYS as usize],
        done: Vec::new(),
    }
}

/// All clients at once, until they have had enough or `dead` says that it is over.
pub async fn run(
    store: Arc<dyn Store>,
    rng: &mut StdRng,
    history: &History,
    dead: impl Fn() -> bool + Clone + Send + 'static,
) -> Vec<Done> {
    let clients = (0..CLIENTS).map(|_| {
        let (mut client, dead) = (client(store.clone(), rng, history), dead.clone());
        tokio::spawn(async move {
            let mut failures = 0;
            while client.done.len() < MAX_WRITES && failures < PATIENCE && !dead() {
                client.step().await;
                let failed = matches!(client.done.last().unwrap().answer, Err(CommitError::Io(_)));
                failures = if failed { failures + 1 } else { 0 };
            }
            client.done
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut all = Vec::new();
    for done in clients {
        all.extend(done.await.unwrap());
    }
    all
}

/// The same on a disk that is well.
pub async fn run_some(store: Arc<dyn Store>, rng: &mut StdRng, history: &History) -> Vec<Done> {
    run(store, rng, history, || false).await
}

/// Writes until the disk is full: the errors say so.
pub async fn fill_up(store: &Embedded, history: &History, platter: &Platter, room: u64) -> Vec<Done> {
    platter.set_capacity(platter.used() + room);
    let mut client = client(Arc::new(store.clone()), &mut StdRng::seed_from_u64(0), history);
    for index in 0.. {
        let number = client.values.fetch_add(1, Ordering::Relaxed);
        let value = format!("{number}:{}", "y".repeat(300_000));
        client.known.push(None);
        client.write(KEYS + index, Expect::Any, Some(value.into())).await;
        match &client.done.last().unwrap().answer {
            Ok(_) => assert!(index < 1000, "the disk is never full"),
            Err(CommitError::Io(cause)) => {
                assert!(cause.to_string().contains("full") || cause.to_string().contains("space"), "{cause}");
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    client.done
}

/// There is room again: the next writes take place, and what filled the disk goes.
pub async fn must_write(store: &Embedded, history: &History, filled: &[Done]) -> Vec<Done> {
    let mut client = client(Arc::new(store.clone()), &mut StdRng::seed_from_u64(0), history);
    let value = client.value();
    client.write(0, Expect::Any, Some(value)).await;
    for index in 0..filled.len() as u32 {
        client.known.push(None);
        client.write(KEYS + index, Expect::Any, None).await;
    }
    for done in &client.done {
        let gone = matches!(done.answer, Err(CommitError::Conflict { actual: None, .. }));
        assert!(done.answer.is_ok() || gone, "there is room again: {:?}", done.answer);
    }
    client.done
}
