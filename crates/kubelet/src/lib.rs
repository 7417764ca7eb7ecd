//! The node agent: takes the pods that are bound to its node, runs them, says how they are.
//!
//! The way of a pod: a source (API, file, URL) names it, [`pod_workers`] gives it a worker, the worker plans ([`plan`],
//! pure) and acts through the runtime, [`status`] (pure) says what came of it, and the status manager sends that. What
//! not: how containers are made (`runtime`), how they are connected (`network`), where pods go (`scheduler`).

mod access;
pub mod admission;
pub mod allocation;
pub mod amount;
mod api_access;
mod config;
pub mod container_config;
pub mod dns;
pub mod env;
mod events;
mod eviction;
mod go_duration;
mod hooks;
mod image_gc;
mod kubelet;
mod log_rotation;
pub mod mirror;
mod network;
mod node;
mod observed;
mod paths;
pub mod plan;
pub mod pod;
mod pod_workers;
mod probes;
mod pull_secrets;
pub mod resize;
pub mod resources;
pub mod security;
pub mod server;
mod shared;
pub mod sources;
pub mod status;
mod status_manager;
mod step;
#[cfg(test)]
mod testing;
pub mod volumes;
mod watches;
mod worker;

pub use api_access::{Answer, IssuedToken, KubeletApi, TokenWish};
pub use config::{
    Config, ConfigError, KUBELET_VERSION, ManifestUrl, Retention, RetentionFields, parse_duration, parse_header,
    parse_labels, parse_taints,
};
pub use events::EventSink;
pub use kubelet::{Dependencies, Kubelet, run};
pub use network::{HostPort, NetworkError, NetworkRequest, NodeRoute, PodNetworking, Protocol};
pub use observed::{Observed, ProbeFailure, ProbeResult, ProbeResults};
pub use paths::Paths;
