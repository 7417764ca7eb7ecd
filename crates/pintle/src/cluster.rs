//! `pintle up`: a whole cluster on this machine, each node in namespaces of its own.

pub mod bare;
pub mod cgroups;
pub mod down;
pub mod files;
mod images;
pub mod layout;
pub mod lifecycle;
mod lock;
pub mod node;
pub mod progress;
pub mod readiness;
pub mod record;
pub mod supervisor;
pub mod view;
