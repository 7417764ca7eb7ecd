//! Nodes that only exist in the API: thousands in one process, in the manner of kwok.
//!
//! Each registers, renews its Lease, and moves the pods that are bound to it through their lives: Running after a delay,
//! Succeeded after another where they belong to a Job, gone after a third when they are deleted. Why: schedulers,
//! controllers and the API are tried at a size for which there are no machines. All of it goes through the real API, so
//! any Kubernetes will do. What not: containers, logs, probes, and nodes that fail.
//!
//! Light by sharing: one watch brings the pods of all nodes, and a few tasks (shards) look after the nodes in turn.

mod heartbeat;
mod node;
mod plan;
mod pod;
mod pods;

use client::{Client, Shutdown};
use clock::SharedClock;
use std::time::Duration;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many nodes.
    pub nodes: usize,
    /// Nodes are called `<prefix>-0`, `<prefix>-1`, …
    pub prefix: String,
    /// Zones (`topology.kubernetes.io/zone`) over which they are spread; 0: they have no zone.
    pub zones: usize,
    /// `status.capacity.cpu` of each, in cores.
    pub cpu_cores: u32,
    /// `status.capacity.memory` of each, in GiB.
    pub memory_gib: u32,
    /// `status.capacity.pods` of each.
    pub pods: u32,
    /// From being bound to Running and Ready.
    pub start_delay: Duration,
    /// From Running to Succeeded, for pods of Jobs.
    pub run_delay: Duration,
    /// From being deleted to being gone.
    pub stop_delay: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nodes: 1,
            prefix: "simulated".to_owned(),
            zones: 3,
            cpu_cores: 32,
            memory_gib: 256,
            pods: 110,
            start_delay: Duration::from_secs(1),
            run_delay: Duration::from_secs(1),
            stop_delay: Duration::from_secs(1),
        }
    }
}

/// Tasks that look after nodes in turn, and as many that act on pods: enough to keep the API busy, few enough not to
/// flood it.
const SHARDS: usize = 16;

/// Simulates until `shutdown`. The nodes stay in the API, as machines that are switched off do.
pub async fn run(config: Config, client: Client, clock: SharedClock, shutdown: Shutdown) {
    let heartbeats = heartbeat::run(&config, &client, &clock, &shutdown);
    let pods = pods::run(&config, &client, &clock, &shutdown);
    futures::future::join(heartbeats, pods).await;
}
