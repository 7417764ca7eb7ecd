//! Leases.

use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;

/// The strategy of leases.
#[derive(Debug)]
pub(crate) struct Lease;

impl Strategy for Lease {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let lease = At::root(object);
        let spec = lease.at("spec");
        let duration = spec.at("leaseDurationSeconds");
        if duration.int().is_some_and(|seconds| seconds <= 0) {
            errors.push(duration.invalid("must be greater than 0"));
        }
        spec.at("leaseTransitions").nonnegative(&mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        self.validate(update.new)
    }
}
