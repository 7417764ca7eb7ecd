//! The scheduler: watches for pods without a node, decides where each goes, and binds it there.
//!
//! Why its own shape: one task owns the queue and the cluster's state and decides synchronously, so that a decision
//! always sees one consistent state and copies nothing; only talking to the API is asynchronous. What not: volumes,
//! preemption (its message is there, its deeds are not), extenders, profiles.

mod affinity_term;
mod answers;
mod cache;
mod decide;
mod fit_error;
mod framework;
mod node;
mod plugins;
mod pod;
mod queue;
mod resources;
mod run;
mod selector;
mod tally;
mod view;

pub use cache::Cluster;
pub use decide::Decider;
pub use fit_error::FitError;
pub use pod::PodInfo;
pub use run::{Config, Dependencies, run};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
