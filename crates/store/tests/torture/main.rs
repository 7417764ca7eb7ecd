//! Torture: the embedded store on a disk that tears, reorders, loses and refuses writes, under concurrent clients whose
//! history is checked, through crash after crash.
//!
//! `PINTLE_TORTURE_CYCLES` and `PINTLE_TORTURE_SEED` make it long or make it begin elsewhere (`cargo xtask torture`). The
//! seed decides the faults and what clients want; threads still race, so a seed finds a bug again often, not always.

mod clients;
mod disk;
mod history;

use disk::{Faults, Platter};
use history::History;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use store::{Embedded, Store};

/// Crashes when nobody says how many: a few seconds' worth.
const SHORT_CYCLES: u64 = 40;
/// How often a cycle has no crash, but a disk that is full for a while.
const FULL_DISK_EVERY: u64 = 5;
/// The bytes of a full disk: little more than an empty database.
const SMALL_DISK_BYTES: u64 = 2_200_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect(variable))
}

/// One life of the store: open, check what is there, let clients at it until the disk dies, crash.
async fn live_and_crash(platter: &Platter, history: &mut History, rng: &mut StdRng) -> bool {
    platter.set_faults(Faults::random(rng));
    let Ok(store) = Embedded::open_on(platter.disk(), clock::system()) else { return false };
    let Ok(loaded) = store.load().await else {
        store.close().await;
        return false;
    };
    history.check_loaded(&loaded);
    let watch = store.watch(loaded.revision).await.expect("from where it was loaded");
    let watcher = tokio::spawn(history::record_watch(watch));
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let platter_dead = platter.clone();
    let done = clients::run(shared, rng, history, move || platter_dead.is_dead()).await;
    store.close().await;
    history.check_life(watcher.await.unwrap(), done);
    true
}

/// The disk is full for a while: writes fail, reads do not, and all is well when there is room again.
async fn full_and_free_again(platter: &Platter, history: &mut History, rng: &mut StdRng) {
    platter.set_faults(Faults::none());
    let store = Embedded::open_on(platter.disk(), clock::system()).expect("a healthy disk");
    let loaded = store.load().await.unwrap();
    history.check_loaded(&loaded);
    let watcher = tokio::spawn(history::record_watch(store.watch(loaded.revision).await.unwrap()));
    let mut done = clients::fill_up(&store, history, platter, SMALL_DISK_BYTES).await;
    assert!(store.load().await.is_ok(), "reads go on");
    platter.set_capacity(u64::MAX);
    let freed = clients::must_write(&store, history, &done).await;
    done.extend(freed);
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    done.extend(clients::run_some(shared, rng, history).await);
    store.close().await;
    history.check_life(watcher.await.unwrap(), done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_whatever_the_disk_does() {
    let cycles = number("PINTLE_TORTURE_CYCLES", SHORT_CYCLES);
    let seed = number("PINTLE_TORTURE_SEED", 1);
    let (mut platter, mut history) = (Platter::default(), History::default());
    let mut lives = 0;
    for cycle in 0..cycles {
        let cycle_seed = seed.wrapping_mul(1_000_003).wrapping_add(cycle);
        // Read when an assertion fails: `PINTLE_TORTURE_SEED` with this many cycles finds it again.
        eprintln!("cycle {cycle} of seed {seed}");
        let mut rng = StdRng::seed_from_u64(cycle_seed);
        if cycle % FULL_DISK_EVERY == FULL_DISK_EVERY - 1 {
            full_and_free_again(&platter, &mut history, &mut rng).await;
            lives += 1;
        } else if live_and_crash(&platter, &mut history, &mut rng).await {
            lives += 1;
        }
        platter.crash(&mut rng);
        if rng.random_bool(0.02) {
            // A new disk now and then: else only old, large files are tried.
            (platter, history) = (Platter::default(), History::default());
        }
    }
    assert!(lives > cycles / 2, "{lives} of {cycles}: most disks should live for a while");
}
