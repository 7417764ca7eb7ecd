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
        let data = revision.at("data");
        if !data.exists() {
            errors.push(data.required("data is mandatory"));
        } else if !data.value().is_some_and(Value::is_object) {
            errors.push(data.invalid_value("<value omitted>", "data must be a valid JSON object"));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        new.at("revision").nonnegative(&mut errors);
        let (data, old_data) = (new.at("data"), old.at("data"));
        validate_immutable(&data, &old_data, &mut errors);
        if update.text_changed && data.value() == old_data.value() {
            errors.push(data.invalid("field is immutable"));
        }
        errors
    }

    fn raw_field(&self) -> Option<&'static str> {
        Some("data")
    }
}
