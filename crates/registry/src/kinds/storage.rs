//! Storage classes and attachments.

use super::csi::validate_driver_name;
use crate::object::{default_str, reset_status, validate_immutable, validate_immutable_struct};
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

/// The strategy of volume attachments.
#[derive(Debug)]
pub(crate) struct VolumeAttachment;

impl Strategy for VolumeAttachment {
    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"attached": false}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let spec = root.at("spec");
        let (attacher, source, node) = (spec.at("attacher"), spec.at("source"), spec.at("nodeName"));
        if attacher.is_empty() {
            errors.push(attacher.required(""));
        } else {
            validate_driver_name(&attacher, &mut errors);
        }
        let (name, inline) = (source.at("persistentVolumeName"), source.at("inlineVolumeSpec"));
        match (name.exists(), inline.exists()) {
            (true, true) => {
                errors.push(source.invalid_value("", "must not specify both inlineVolumeSpec and persistentVolumeName"))
            }
            (false, false) => {
                errors.push(source.required("must specify either inlineVolumeSpec and persistentVolumeName"));
            }
            (true, false) => name.require_and_check(&mut errors, names::dns1123_subdomain),
            (false, true) => {}
        }
        node.require_and_check(&mut errors, names::dns1123_subdomain);
        validate_attachment_status(&root.at("status"), &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_attachment_status(&At::root(update.new).at("status"), &mut errors);
        let (new, old) = (At::root(update.new), At::root(update.old));
        let definition = "io.k8s.api.storage.v1.VolumeAttachmentSpec";
        validate_immutable_struct(&new.at("spec"), &old.at("spec"), definition, &mut errors);
        errors
    }
}

/// The largest attachment metadata, in bytes; the longest message of a volume error.
const MAX_METADATA_BYTES: usize = 256 * 1024;
const MAX_MESSAGE_BYTES: usize = 1024;

fn validate_attachment_status(status: &At, errors: &mut ErrorList) {
    let metadata = status.at("attachmentMetadata");
    let size: usize = metadata.entries().map(|(key, value)| key.len() + value.len()).sum();
    if size > MAX_METADATA_BYTES {
        errors.push(metadata.too_long(MAX_METADATA_BYTES));
    }
    for field in ["attachError", "detachError"] {
        let error = status.at(field);
        let message = error.at("message");
        if message.len() > MAX_MESSAGE_BYTES {
            errors.push(message.too_long(MAX_MESSAGE_BYTES));
        }
    }
}
