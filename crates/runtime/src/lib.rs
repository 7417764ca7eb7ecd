//! Sandboxes, containers, images, logs, exec: what the CRI v1 asks for, on youki's `libcontainer` and overlayfs.
//!
//! [`service`] is the contract that a kubelet codes against; [`fake`] is a scripted implementation for tests. Nothing here
//! knows Kubernetes objects.

mod cgroup;
pub mod disk;
mod events;
pub mod fake;
pub mod images;
pub mod native;
mod placement;
mod replace;
pub mod service;
pub mod shim;
mod socket;
mod sys;

pub use placement::make_top_directory;
