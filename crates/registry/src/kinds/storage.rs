//! Storage classes and attachments.

use super::csi::validate_driver_name;
use super::persistent_volume::validate_inline_volume;
use crate::object::{
    WRITABLE_METADATA, default_str, keep_metadata_of_status, reset_status, validate_immutable,
    validate_immutable_struct,
};
use crate::pod::old_label;
use crate::{At, Strategy, Subresource, Update, names};
use api::field::{Error, ErrorList};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
        validate_provisioner(&class.at("provisioner"), &mut errors);
        validate_parameters(&class.at("parameters"), &mut errors);
        class.at("reclaimPolicy").one_of(&mut errors, &["Delete", "Retain"]);
        class.at("volumeBindingMode").one_of(&mut errors, &["Immediate", "WaitForFirstConsumer"]);
        validate_topologies(&class.at("allowedTopologies"), &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = self.validate(update.new);
        let (new, old) = (At::root(update.new), At::root(update.old));
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            validate_immutable(&new.at(field), &old.at(field), &mut errors);
        }
        errors
    }

    /// `GetWarningsForStorageClass`
    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut warnings = Vec::new();
        for term in At::root(new).at("allowedTopologies").items() {
            for requirement in term.at("matchLabelExpressions").items() {
                let key = requirement.at("key");
                warnings.extend(old_label(key.str()).map(|why| format!("{}: {why}", key.path())));
            }
        }
        warnings
    }
}

/// The strategy of volume attachments.
#[derive(Debug)]
pub(crate) struct VolumeAttachment;

impl Strategy for VolumeAttachment {
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        keep_metadata_of_status(new, old, subresource, &WRITABLE_METADATA);
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"attached": false}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_attachment(&At::root(object), &mut errors);
        let root = At::root(object);
        let spec = root.at("spec");
        // `ValidateVolumeAttachmentV1`, whose paths are one name.
        validate_driver_name(&spec.at("attacher"), &mut errors);
        let name = spec.at("source");
        let name = name.at("persistentVolumeName");
        if name.exists() {
            name.check(&mut errors, names::dns1123_subdomain);
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_attachment(&At::root(update.new), &mut errors);
        let (new, old) = (At::root(update.new), At::root(update.old));
        let definition = "io.k8s.api.storage.v1.VolumeAttachmentSpec";
        validate_immutable_struct(&new.at("spec"), &old.at("spec"), definition, &mut errors);
        errors
    }
}

/// The largest set of parameters, in entries and in bytes.
const MAX_PARAMETERS: usize = 512;
const MAX_PARAMETERS_BYTES: usize = 256 * 1024;

/// `validateProvisioner`
pub(super) fn validate_provisioner(name: &At, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.push(name.required(""));
    } else {
        let lower = name.str().to_lowercase();
        errors.extend(names::qualified_name(&lower).into_iter().map(|wrong| name.invalid_value(&*lower, wrong)));
    }
}

/// `validateParameters`
pub(super) fn validate_parameters(parameters: &At, errors: &mut ErrorList) {
    if parameters.len() > MAX_PARAMETERS {
        errors.push(parameters.too_long(MAX_PARAMETERS));
        return;
    }
    if parameters.key("").exists() {
        errors.push(parameters.invalid_value("", "field can not be empty."));
    }
    let size: usize = parameters.entries().map(|(key, value)| key.len() + value.len()).sum();
    if size > MAX_PARAMETERS_BYTES {
        errors.push(parameters.too_long(MAX_PARAMETERS_BYTES));
    }
}

/// `validateAllowedTopologies`: no key twice in a term, no term twice.
fn validate_topologies(topologies: &At, errors: &mut ErrorList) {
    let mut terms: Vec<BTreeMap<&str, BTreeSet<&str>>> = Vec::new();
    for term in topologies.items() {
        let requirements = term.at("matchLabelExpressions");
        let mut own = BTreeMap::new();
        for requirement in requirements.items() {
            let (key, values) = (requirement.at("key"), requirement.at("values"));
            values.require(errors);
            let mut seen = BTreeSet::new();
            for value in values.items().filter(|value| !seen.insert(value.str())) {
                errors.push(value.duplicate());
            }
            key.check(errors, names::qualified_name);
            if own.insert(key.str(), seen).is_some() {
                errors.push(key.duplicate());
            }
        }
        if terms.contains(&own) {
            errors.push(Error::duplicate(&requirements.path(), ""));
        }
        terms.push(own);
    }
}

/// `ValidateVolumeAttachment`
fn validate_attachment(attachment: &At, errors: &mut ErrorList) {
    const ONE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    let spec = attachment.at("spec");
    let (source, node) = (spec.at("source"), spec.at("nodeName"));
    spec.at("attacher").require(errors);
    let (name, inline) = (source.at("persistentVolumeName"), source.at("inlineVolumeSpec"));
    match (name.exists(), inline.exists()) {
        (true, true) => errors.push(source.forbidden(ONE)),
        (false, false) => errors.push(source.required(ONE)),
        (true, false) if name.is_empty() => errors.push(name.required("must specify non empty persistentVolumeName")),
        (true, false) => {}
        (false, true) => validate_inline_volume(&inline, errors),
    }
    node.check(errors, names::dns1123_subdomain);
    validate_attachment_status(&attachment.at("status"), errors);
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
            // Upstream names the other limit.
            errors.push(message.too_long(MAX_METADATA_BYTES));
        }
        let code = error.at("errorCode");
        if code.int().is_some_and(|code| code < 0) {
            errors.push(code.invalid(names::inclusive_range(0, i64::from(i32::MAX))));
        }
    }
}
