//! Leases.

use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::Value;

/// The strategy of leases.
#[derive(Debug)]
pub(crate) struct Lease;

impl Strategy for Lease {
    fn prepare_for_create(&self, object: &mut Value) {
        drop_coordination(object, &Value::Null);
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, _subresource: Option<Subresource>) {
        drop_coordination(new, old);
    }

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

/// Coordinated leader election (KEP-4355) is off in v1.36: what it needs is dropped, unless it is there already.
fn drop_coordination(new: &mut Value, old: &Value) {
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for field in ["strategy", "preferredHolder"].into_iter().filter(|field| old["spec"].get(field).is_none()) {
        spec.remove(field);
    }
}
