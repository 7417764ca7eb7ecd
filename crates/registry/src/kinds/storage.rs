//! Storage classes, CSI drivers and attachments.

use crate::object::{child, default, default_str, reset_status, validate_immutable};
use crate::{At, Strategy, Update, names};
use api::field::ErrorList;
use serde_json::{Value, json};

/// The strategy of storage classes.
#[derive(Debug)]
pub(crate) struct StorageClass;

impl Strategy for StorageClass {
    fn default(&self, object: &mut Value) {
        if let Value::Object(class) = object {
            default_str(class, "reclaimPolicy", "Delete");
            default_str(class, "volumeBindingMode", "Immediate");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let class = At::root(object);
        let provisioner = class.at("provisioner");
        if provisioner.is_empty() {
            errors.push(provisioner.required(""));
        } else {
            let wrong = names::qualified_name(&provisioner.str().to_lowercase());
            errors.extend(wrong.into_iter().map(|w| provisioner.invalid_value(provisioner.str(), w)));
        }
        class.at("reclaimPolicy").one_of(&mut errors, &["Delete", "Retain"]);
        class.at("volumeBindingMode").one_of(&mut errors, &["Immediate", "WaitForFirstConsumer"]);
        for term in class.at("allowedTopologies").items() {
            for requirement in term.at("matchLabelExpressions").items() {
                requirement.at("values").require(&mut errors);
                requirement.at("key").check(&mut errors, names::qualified_name);
            }
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            validate_immutable(&new.at(field), &old.at(field), &mut errors);
        }
        errors
    }
}

/// The strategy of CSI drivers.
#[derive(Debug)]
pub(crate) struct CsiDriver;

impl Strategy for CsiDriver {
    fn default(&self, object: &mut Value) {
        let Value::Object(driver) = object else { return };
        let Some(spec) = child(driver, "spec") else { return };
        default(spec, "attachRequired", true);
        default(spec, "podInfoOnMount", false);
        default(spec, "storageCapacity", false);
        default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        default(spec, "volumeLifecycleModes", json!(["Persistent"]));
        default(spec, "requiresRepublish", false);
        default(spec, "seLinuxMount", false);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let driver = At::root(new);
        let spec = driver.at("spec");
        if spec.at("tokenRequests").is_empty() || spec.at("serviceAccountTokenInSecrets").exists() {
            return Vec::new();
        }
        let why = "is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes";
        vec![format!("spec.serviceAccountTokenInSecrets {why}")]
    }
}

/// The strategy of volume attachments.
#[derive(Debug)]
pub(crate) struct VolumeAttachment;

impl Strategy for VolumeAttachment {
    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"attached": false}));
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        validate_immutable(&new.at("spec"), &old.at("spec"), &mut errors);
        errors
    }
}
