//! Controller revisions: the history of daemon sets and stateful sets.

use crate::object::validate_immutable;
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;

/// The strategy of controller revisions.
#[derive(Debug)]
pub(crate) struct ControllerRevision;

impl Strategy for ControllerRevision {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let revision = At::root(object);
        revision.at("revision").nonnegative(&mut errors);
        if !revision.at("data").exists() {
            errors.push(revision.at("data").required("data is mandatory"));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        new.at("revision").nonnegative(&mut errors);
        validate_immutable(&new.at("data"), &old.at("data"), &mut errors);
        errors
    }
}
