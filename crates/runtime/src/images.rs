//! The node's image store: names, layers and configurations under one directory.
//!
//! Why: containers need root file systems; pulls and imports must survive crashes and each other. What not: it starts
//! nothing and mounts nothing.
//!
//! On disk: `layers/<diff id>` holds one unpacked layer each, ready to be a lower directory of an overlay;
//! `configs/<id>.json` holds configurations; `index.json` names the images. Everything else is in `tmp` until it is whole, and
//! `index.json` is replaced last, after a `syncfs`: whoever it names is complete.

mod adopt;
mod archive;
mod index;
mod members;
mod pull;
mod reference;
mod store;
mod unpack;

pub use reference::{Reference, ReferenceError};
pub use store::ImageStore;

pub(crate) use store::HeldLayers;
pub(crate) use unpack::open_in_root;
