//! How the binary is linked: at a fixed address, as Go links Kubernetes' own.
//!
//! Why: a position-independent executable has its tables of pointers (1.3 MB here) written anew at each start, and so
//! resident once for each process. Every pod's shim is such a process: that was more than half of its memory. What not:
//! libraries, stacks and heaps stay where chance puts them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
