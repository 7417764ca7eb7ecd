//! Load on a Kubernetes API from outside, and the measurements that `cargo xtask bench` puts into its table.
//!
//! Why a program of its own: what is measured must not share a process with what measures, and the same load must go to
//! any Kubernetes that a kubeconfig leads to. What not: starting clusters, medians over runs and tables are xtask's.

pub mod cold;
pub mod connection;
pub mod decisions;
pub mod echo;
pub mod error;
pub mod fanout;
pub mod latencies;
pub mod objects;
pub mod overload;
pub mod requests;
pub mod schedule;
pub mod start;
pub mod stream;
pub mod target;
