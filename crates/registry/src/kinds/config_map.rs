//! ConfigMaps.

use super::secret::{MAX_BYTES, decoded_len, validate_frozen};
use crate::names;
use crate::{At, Strategy, Update};
use api::field::{Error, ErrorList, Path};
use serde_json::Value;

/// The strategy of config maps.
#[derive(Debug)]
pub(crate) struct ConfigMap;

impl Strategy for ConfigMap {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let map = At::root(object);
        let (data, binary) = (map.at("data"), map.at("binaryData"));
        let mut total = 0;
        for (key, value) in data.entries() {
            errors.extend(names::config_map_key(key).into_iter().map(|w| value.invalid_value(key, w)));
            if binary.key(key).exists() {
                errors.push(value.invalid_value(key, "duplicate of key present in binaryData"));
            }
            total += value.len();
        }
        for (key, value) in binary.entries() {
            errors.extend(names::config_map_key(key).into_iter().map(|w| value.invalid_value(key, w)));
            total += decoded_len(value.str());
        }
        if total > MAX_BYTES {
            // Upstream's path of the whole object.
            let mut error = Error::too_long(&Path::new(""), MAX_BYTES);
            error.field = "[]".to_owned();
            errors.push(error);
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_frozen(&At::root(update.new), &At::root(update.old), &["data", "binaryData"], &mut errors);
        errors.extend(self.validate(update.new));
        errors
    }
}
