//! How components talk to the API: a typed client, informers, work queues, the event recorder and the controller loop.
//!
//! Why: kubelet, scheduler and controllers meet only through the API, and all of them need the same five mechanisms,
//! each with the same promises (bounded, steerable by a clock, level-triggered). What not: the API server's insides; a
//! client in the same process differs from one over HTTPS only in the tower service underneath.

mod account;
mod client;
mod controller;
mod correlator;
mod direct;
mod error;
mod informer;
mod key;
mod leader;
pub mod lean;
mod parts;
mod queue;
mod recorder;
mod series;
mod sharing;
mod store;
mod subscription;
mod swap;
mod verbs;
mod watch;

pub use account::ServiceAccountClients;
pub use client::{Client, ConfigError};
pub use controller::{Outcome, run_workers};
pub use direct::{Direct, DirectEvent, DirectEvents};
pub use error::Error;
pub use informer::{Informer, InformerBuilder, Object};
pub use key::ObjectKey;
pub use leader::{Ended, LeaderElection, lead};
pub use lean::{CONTROL_PLANE_NODES, CONTROL_PLANE_PODS, Trim};
pub use parts::{Fields, Part};
pub use queue::{Backoff, WorkQueue};
pub use recorder::{EventRecorder, EventSource, EventType, RecorderTask, reference};
pub use store::Store;
pub use subscription::{Change, Subscription};
pub use swap::ClientSwap;
pub use tokio_util::sync::CancellationToken as Shutdown;
pub use verbs::{PatchKind, Typed};
pub use watch::Selection;

// What callers need beside our own types, so that only this crate names kube's version.
pub use kube::Config as ServerConfig;
pub use kube::api::{DeleteParams, ListParams, Preconditions, PropagationPolicy};
pub use kube::core::{ApiResource, DynamicObject, ObjectList, PartialObjectMeta};
