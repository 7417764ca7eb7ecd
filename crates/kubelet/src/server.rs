//! The kubelet's HTTPS API: logs, exec, attach, port-forward, pods, health. The API server is its client.
//!
//! What not: nothing here decides about pods; [`PodAccess`] is all that it sees of the kubelet.

mod access;

pub use access::{ContainerInstance, PodAccess};
