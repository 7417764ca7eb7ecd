//! Runtime classes.

use crate::labels::validate_labels;
use crate::names;
use crate::object::validate_immutable;
use crate::pod::{old_label, validate_overhead, validate_tolerations};
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;

/// The strategy of runtime classes.
#[derive(Debug)]
pub(crate) struct RuntimeClass;

impl Strategy for RuntimeClass {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let class = At::root(object);
        class.at("handler").check(&mut errors, names::dns1123_label);
        let (overhead, scheduling) = (class.at("overhead"), class.at("scheduling"));
        if overhead.exists() {
            let fixed = overhead.at("podFixed");
            validate_overhead(&class.elsewhere("overhead", fixed.value()), &mut errors);
        }
        validate_labels(&scheduling.at("nodeSelector"), &mut errors);
        validate_tolerations(&scheduling.at("tolerations"), &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = self.validate(update.new);
        let (new, old) = (At::root(update.new), At::root(update.old));
        validate_immutable(&new.at("handler"), &old.at("handler"), &mut errors);
        errors
    }

    /// `GetWarningsForRuntimeClass`
    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let class = At::root(new);
        let scheduling = class.at("scheduling");
        let selector = scheduling.at("nodeSelector");
        let warn = |(key, _)| old_label(key).map(|why| format!("{}: {why}", selector.path()));
        selector.entries().filter_map(warn).collect()
    }
}
