//! The kubelet's certificates: that of the client, asked for with a bootstrap token when there is none, and anew before it
//! ends, under its own name (upstream's TLS bootstrap and `rotateCertificates`); and that of its server, where the cluster
//! is to sign it (`serverTLSBootstrap`).
//!
//! Where things are: files on disk in `files`, a request and its answer in `request`, when to ask again in `manager`.

mod client;
mod files;
mod manager;
mod request;
mod serving;

pub use client::{ClientCredentials, ClientSetup};
pub use serving::{ServingSetup, serving};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[cfg(test)]
mod tests;
