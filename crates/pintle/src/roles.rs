//! The roles that a process can take: control plane, node agent, image tool.

pub mod agent;
pub mod images;
pub mod kubelet;
pub mod node_network;
pub mod server;
pub mod shutdown;
pub mod simulate;
