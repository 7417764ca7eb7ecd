//! pintle: a complete Kubernetes in one binary. This crate parses the command line and wires the parts together; it is
//! the only one that knows them all.
//!
//! Every command makes the runtime that it needs, since some of them (entering a node, being a shim) must run before
//! any thread exists.

mod arguments;
mod cluster;
mod dispatch;
mod kubeadm;
mod node_files;
mod renewal;
mod roles;
mod unit;
mod upstream_flags;

use clap::Parser;
// In the place of C's malloc, which Rust's own allocator calls. An API server is mostly small allocations that one thread makes
// and another frees: glibc's malloc took a fifth of a `GET` and a quarter of a `POST` (perf, 16 and 64 connections). Not as
// `#[global_allocator]`: the crate's states an alignment with each request, and mimalloc then takes the long way for sizes
// that are no power of two.
use mimalloc as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = runtime::shim::run_if_asked(std::env::args_os()) {
        return code;
    }
    // several of our libraries ask for the process's provider; fails only if one was installed before
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = arguments::without_foreign_flags(arguments::multi_call(std::env::args_os()));
    let done = arguments.map_err(Into::into).and_then(|words| dispatch::run(arguments::Arguments::parse_from(words)));
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
