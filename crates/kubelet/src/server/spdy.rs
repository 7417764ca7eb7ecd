//! SPDY/3.1 as far as Kubernetes' streams use it: one side opens streams with headers, both send data and end them.
//!
//! What not: no server push, no priorities, no flow control (the Go library on the other side has none: backpressure is
//! TCP's), no HTTP on top.

mod frame;
mod headers;
mod session;

pub(super) use session::{Accepted, SendStream, Session};

#[cfg(test)]
mod peer;
#[cfg(test)]
pub(super) use peer::Peer;
#[cfg(test)]
mod tests;
