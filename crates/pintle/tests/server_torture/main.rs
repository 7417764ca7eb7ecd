//! Torture of a whole server: `kill -9` at a random moment while clients write and read over HTTPS and one watches, then
//! again and again on the same data. What was answered and what was watched must be explained by one history: writes
//! linearizable, reads not stale, watches without gap, duplicate or disorder, and nothing acknowledged lost.
//!
//! `PINTLE_TORTURE_CYCLES` and `PINTLE_TORTURE_SEED` make it long or make it begin elsewhere (`cargo xtask torture --server`).
//! The seed decides what clients want and when the server dies; processes still race, so a seed finds a bug again often,
//! not always.

mod clients;
mod history;
mod server;

use history::History;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use server::Server;

/// Deaths when nobody says how many: a few seconds' worth.
const SHORT_CYCLES: u64 = 6;
/// Writes that a server has answered when it is killed, at most.
const MAX_WRITES: u64 = 400;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect(variable))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let cycles = number("PINTLE_TORTURE_CYCLES", SHORT_CYCLES);
    let seed = number("PINTLE_TORTURE_SEED", 1);
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::default();
    for cycle in 0..cycles {
        // Read when an assertion fails: `PINTLE_TORTURE_SEED` with this many cycles finds it again.
        eprintln!("cycle {cycle} of seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(cycle));
        let server = Server::start(directory.path()).await;
        let (found, revision) = clients::list(&server.client().await).await;
        clients::look_back(&server.client().await, &history, &found, revision).await;
        history.check_found(&found, revision);
        let watcher = tokio::spawn(clients::watch(server.client().await, revision));
        let (done, events) = clients::run_until_killed(&server, &mut rng, watcher, MAX_WRITES).await;
        history.check_life(&events, done);
        drop(server);
    }
}

/// A number of writes after which the server dies.
fn last_write(rng: &mut StdRng, most: u64) -> u64 {
    // Now and then at once, while it still starts its components.
    if rng.random_bool(0.2) { rng.random_range(1..5) } else { rng.random_range(5..most) }
}
