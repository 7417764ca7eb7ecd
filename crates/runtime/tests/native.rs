//! Real containers, as root, on this machine: everything that the kubelet relies on.

#[path = "native/busybox.rs"]
mod busybox;
#[path = "native/containers.rs"]
mod containers;
#[path = "native/images.rs"]
mod images;
#[path = "native/restart.rs"]
mod restart;
#[path = "native/rig.rs"]
mod rig;
#[path = "native/streams.rs"]
mod streams;
