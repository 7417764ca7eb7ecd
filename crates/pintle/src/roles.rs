//! The roles that a process can take: control plane, its single components, node agent, image tool.

pub mod agent;
pub mod api_server;
pub mod certificate_files;
pub mod controller_manager;
pub mod datastore;
pub mod direct;
pub mod election;
pub mod health;
pub mod images;
pub mod kubelet;
pub mod kubelet_certificates;
pub mod node_network;
pub mod scheduler;
pub mod server;
pub mod serving;
pub mod shutdown;
pub mod simulate;
