//! The kubelet's HTTPS API: logs, exec, attach, port-forward, pods, health. The API server is its client.
//!
//! What not: nothing here decides about pods; [`PodAccess`] is all that it sees of the kubelet.

mod access;
mod answer;
mod authorize;
mod exec;
mod listen;
mod logs;
mod port_forward;
mod route;
mod spdy;
mod stats;
mod stream;
mod upgrade;
mod webhook;

pub use access::{ContainerInstance, PodAccess};
pub use authorize::{Caller, Delegation, RequestAttributes};
pub use listen::{BoundServer, ServerError, bind};
pub use webhook::Webhook;

use certs::ShownCertificate;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the server is made of.
#[derive(Debug)]
pub struct ServerConfig {
    /// Where to listen; port 10250 by custom, 0 for any.
    pub address: SocketAddr,
    /// The serving certificate; while there is none, handshakes fail.
    pub serving: ShownCertificate,
    /// `authentication.x509.clientCAFile`: who signs clients, PEM.
    pub client_ca_pem: String,
    /// Certificate users that may do everything beside `system:masters`: the API server's.
    pub api_server_users: Vec<String>,
    /// Who decides about everyone else; `None`: they are refused.
    pub delegation: Option<Arc<dyn Delegation>>,
}

impl ServerConfig {
    /// The usual configuration: the API server's own client certificate and `system:masters` may, nobody else.
    pub fn new(address: SocketAddr, serving: ShownCertificate, client_ca_pem: String) -> Self {
        let api_server_users = vec!["kube-apiserver-kubelet-client".to_owned()];
        Self { address, serving, client_ca_pem, api_server_users, delegation: None }
    }
}

#[cfg(test)]
mod tests;
