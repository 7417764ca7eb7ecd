//! End to end: real clusters of `pintle up`, the real kubectl, real containers. Needs root, and the images of
//! `cargo xtask images`.

mod article;
mod bad_input;
mod clients;
mod cluster;
mod etcd;
mod faults;
mod kubeadm;
mod page;
mod placing;
mod screen;
mod static_pods;
mod transcript;
mod tutorial;
mod up;
