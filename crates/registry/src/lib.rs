//! One row per resource, and per kind what is special about it: defaulting, validation, printer columns.
//!
//! Pure: no clock, no randomness, no I/O, no async. The generic path (storing, patching, watching, printing) is the
//! API server's; this crate only answers questions about objects. What not: nothing here knows of requests or users.

pub mod admission;
mod at;
pub mod bootstrap;
pub mod columns;
mod conditions;
pub mod custom;
mod diff;
mod garbage_collection;
mod go_text;
mod go_url;
pub mod image_name;
mod kinds;
mod labels;
mod object;
pub mod pod;
pub mod pod_security;
pub mod quantity;
pub mod quota;
pub mod rbac;
mod resource;
mod subresource;
mod table;
mod volume_claim;

pub use api::names;
pub use at::At;
pub use garbage_collection::GarbageCollection;
pub use kinds::{domain_prefixed_path, service_address_errors};
pub use resource::{Conversion, NoStrategy, Occasion, Requestor, Resource, Scope, Storage, Strategy, Update};
pub use subresource::Subresource;
pub use table::{Row, find, find_kind, groups, row, table};
