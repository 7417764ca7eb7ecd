//! End to end: real clusters of `pintle up`, the real kubectl, real containers. Needs root, and the images of
//! `cargo xtask images`.

mod article;
mod cluster;
mod expectation;
mod transcript;
mod tutorial;
