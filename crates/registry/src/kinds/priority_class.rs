//! Priority classes.

use crate::object::{default_str, validate_immutable};
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;

/// The most that a user's class may be worth; what lies above is the system's.
pub const HIGHEST_USER_DEFINABLE_PRIORITY: i64 = 1_000_000_000;
/// The classes of the system and their values.
pub const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// The strategy of priority classes.
#[derive(Debug)]
pub(crate) struct PriorityClass;

impl Strategy for PriorityClass {
    fn default(&self, object: &mut Value) {
        if let Value::Object(class) = object {
            default_str(class, "preemptionPolicy", "PreemptLowerPriority");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let class = At::root(object);
        let metadata = class.at("metadata");
        let (name, value) = (metadata.at("name"), class.at("value"));
        if name.str().starts_with("system-") {
            if let Some(why) = not_of_system(&class, name.str()) {
                let detail = format!(
                    "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
                );
                errors.push(name.forbidden(detail));
            }
        } else if value.int().unwrap_or(0) > HIGHEST_USER_DEFINABLE_PRIORITY {
            let detail =
                format!("maximum allowed value of a user defined priority is {HIGHEST_USER_DEFINABLE_PRIORITY}");
            errors.push(value.forbidden(detail));
        }
        let policy = class.at("preemptionPolicy");
        if policy.exists() {
            policy.require_one_of(&mut errors, &["PreemptLowerPriority", "Never"]);
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        if new.at("value").int().unwrap_or(0) != old.at("value").int().unwrap_or(0) {
            errors.push(new.at("value").forbidden("may not be changed in an update."));
        }
        validate_immutable(&new.at("preemptionPolicy"), &old.at("preemptionPolicy"), &mut errors);
        errors
    }
}

/// Why a class is none of the system's own.
fn not_of_system(class: &At, name: &str) -> Option<String> {
    let Some((_, value)) = SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    if class.at("value").int() != Some(*value) {
        return Some(format!("value of {name} PriorityClass must be {value}"));
    }
    class.at("globalDefault").bool().then(|| format!("globalDefault of {name} PriorityClass must be false"))
}
