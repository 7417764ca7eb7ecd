//! One row per resource, and per kind what is special about it: defaulting, validation, printer columns.
//!
//! Pure: no clock, no randomness, no I/O, no async. The generic path (storing, patching, watching, printing) is the
//! API server's; this crate only answers questions about objects. What not: nothing here knows of requests or users.

mod resource;

pub use resource::{NoStrategy, Resource, Scope, Strategy, Subresource, Update};
