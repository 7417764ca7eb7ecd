//! Persistent volumes.

use crate::diff::diff;
use crate::object::{child, child_or_new, default_str, put};
use crate::pod::{default_network_volume, validate_node_selector};
use crate::quantity::Amount;
use crate::volume_claim::{VOLUME_MODES, validate_access_modes};
use crate::{At, Strategy, Subresource, Update, names};
use api::field::{Error, ErrorList};
use serde_json::{Map, Value, json};

/// Kinds of sources, in upstream's order.
const SOURCES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
];

/// The strategy of persistent volumes.
#[derive(Debug)]
pub(crate) struct PersistentVolume;

impl Strategy for PersistentVolume {
    fn default(&self, object: &mut Value) {
        let Value::Object(volume) = object else { return };
        default_str(child_or_new(volume, "status"), "phase", "Pending");
        let spec = child_or_new(volume, "spec");
        default_str(spec, "persistentVolumeReclaimPolicy", "Retain");
        default_str(spec, "volumeMode", "Filesystem");
        default_network_volume(spec);
        if let Some(host) = child(spec, "hostPath") {
            crate::object::default(host, "type", "");
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        let Value::Object(volume) = object else { return };
        let created = volume.get("metadata").and_then(|m| m.get("creationTimestamp")).cloned();
        let mut status = Map::from_iter([("phase".to_owned(), json!("Pending"))]);
        put(&mut status, "lastPhaseTransitionTime", created);
        volume.insert("status".to_owned(), status.into());
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let volume = At::root(object);
        let spec = volume.at("spec");
        let (modes, capacity) = (spec.at("accessModes"), spec.at("capacity"));
        if modes.is_empty() {
            errors.push(modes.required(""));
        }
        validate_access_modes(&modes, &mut errors);
        validate_capacity(&capacity, &mut errors);
        spec.at("persistentVolumeReclaimPolicy").one_of(&mut errors, &["Delete", "Recycle", "Retain"]);
        let affinity = spec.at("nodeAffinity");
        if affinity.exists() && !affinity.at("required").exists() {
            errors.push(affinity.at("required").required("must specify required node constraints"));
        } else if affinity.exists() {
            validate_node_selector(&affinity.at("required"), &mut errors);
        }
        validate_sources(&spec, &mut errors);
        let class = spec.at("storageClassName");
        if !class.is_empty() {
            class.check(&mut errors, names::dns1123_subdomain);
        }
        spec.at("volumeMode").one_of(&mut errors, &VOLUME_MODES);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return ErrorList::new();
        }
        let mut errors = self.validate(update.new);
        let (new, old) = (At::root(update.new), At::root(update.old));
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        let (source, old_source) = (source_of(&spec), source_of(&old_spec));
        if source != old_source {
            let change = diff(&old_source, &source);
            let detail = format!("spec.persistentvolumesource is immutable after creation\n{change}");
            errors.push(spec.at("persistentvolumesource").forbidden(detail));
        }
        let mode = new.elsewhere("volumeMode", spec.at("volumeMode").value());
        if mode.value() != old_spec.at("volumeMode").value() {
            errors.push(mode.invalid("field is immutable"));
        }
        errors
    }
}

fn source_of(spec: &At) -> Value {
    let sources = SOURCES.iter().chain(&["csi"]);
    let own = sources.filter_map(|kind| Some(((*kind).to_owned(), spec.at(kind).value()?.clone())));
    Value::Object(own.collect())
}

fn validate_capacity(capacity: &At, errors: &mut ErrorList) {
    if capacity.is_empty() {
        errors.push(capacity.required(""));
    }
    if !capacity.key("storage").exists() || capacity.len() > 1 {
        let value = capacity.value().cloned().filter(|v| !v.is_null()).unwrap_or_else(|| json!({}));
        errors.push(capacity.not_supported_value(value, &["storage"]));
    }
    for (_, amount) in capacity.entries() {
        if Amount::parse(amount.str()).is_some_and(|a| a <= Amount::ZERO) {
            errors.push(amount.invalid("must be greater than zero"));
        }
    }
}

fn validate_sources(spec: &At, errors: &mut ErrorList) {
    let mut count = 0;
    for kind in SOURCES.iter().chain(&["csi"]) {
        let source = spec.at(kind);
        if !source.exists() {
            continue;
        }
        count += 1;
        if count > 1 {
            errors.push(source.forbidden("may not specify more than 1 volume type"));
            continue;
        }
        match *kind {
            "hostPath" | "local" => {
                source.at("path").require(errors);
                if source.at("path").str().split('/').any(|part| part == "..") {
                    errors.push(source.at("path").invalid("must not contain '..'"));
                }
            }
            "nfs" => {
                source.at("server").require(errors);
                source.at("path").require(errors);
                if !source.at("path").str().starts_with('/') {
                    errors.push(source.at("path").invalid_value(source.at("path").str(), "must be an absolute path"));
                }
            }
            "csi" => {
                source.at("driver").require(errors);
                source.at("volumeHandle").require(errors);
            }
            _ => {}
        }
        if *kind == "local" && !spec.at("nodeAffinity").exists() {
            errors.push(spec.at("nodeAffinity").required("Local volume requires node affinity"));
        }
    }
    if count == 0 {
        errors.push(Error::required(&spec.path(), "must specify a volume type"));
    }
    let path = spec.at("hostPath").at("path").str();
    if path == "/" && spec.at("persistentVolumeReclaimPolicy").str() == "Recycle" {
        let policy = spec.at("persistentVolumeReclaimPolicy");
        errors.push(policy.forbidden("may not be 'recycle' for a hostPath mount of '/'"));
    }
}
