//! Classes of devices.

use super::configuration::validate_configuration;
use super::selector::validate_selectors;
use crate::pod::is_extended_resource;
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;

/// How many configurations a class has at most.
const MAX_CONFIGURATIONS: usize = 32;

/// The strategy of device classes.
#[derive(Debug)]
pub(crate) struct DeviceClass;

impl Strategy for DeviceClass {
    fn validate(&self, object: &Value) -> ErrorList {
        validate(object, None)
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        validate(update.new, Some(update.old))
    }
}

/// `validateDeviceClassSpec`: lists that are exactly as before are not looked at as closely as new ones.
fn validate(new: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = ErrorList::new();
    let root = At::root(new);
    let spec = root.at("spec");
    let is_stored = |field: &str| old.is_some_and(|old| old["spec"].get(field) == new["spec"].get(field));
    validate_selectors(&spec.at("selectors"), is_stored("selectors"), &mut errors);
    let configurations = spec.at("config");
    if !configurations.is_too_many(&mut errors, MAX_CONFIGURATIONS) {
        for configuration in configurations.items() {
            validate_configuration(&configuration, is_stored("config"), &mut errors);
        }
    }
    let resource = spec.at("extendedResourceName");
    if resource.exists() && !is_extended_resource(resource.str()) {
        errors.push(resource.invalid("must be a valid extended resource name"));
    }
    errors
}
