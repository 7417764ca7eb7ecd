//! Runtime classes.

use crate::names;
use crate::object::validate_immutable;
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;

/// The strategy of runtime classes.
#[derive(Debug)]
pub(crate) struct RuntimeClass;

impl Strategy for RuntimeClass {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        At::root(object).at("handler").check(&mut errors, names::dns1123_label);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        validate_immutable(&new.at("handler"), &old.at("handler"), &mut errors);
        errors
    }
}
