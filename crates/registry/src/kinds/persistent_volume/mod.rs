//! Persistent volumes.

mod source;

use super::persistent_volume_claim::warn_of_beta_class;
use crate::diff::diff_of;
use crate::object::{child, child_or_new, default_str, put};
use crate::pod::defaults::round_quantities;
use crate::pod::{default_network_volume, new_label, validate_node_selector, warn_of_node_term};
use crate::quantity::Amount;
use crate::volume_claim::{VOLUME_MODES, validate_access_modes};
use crate::{At, Strategy, Subresource, Update, names};
use api::field::ErrorList;
use serde_json::{Map, Value, json};

const SPEC: &str = "io.k8s.api.core.v1.PersistentVolumeSpec";

/// Sources that no longer do anything: the field, its name in the warning, and the warning.
const OLD_SOURCES: [(&str, &str, &str); 6] = [
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
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
        round_quantities(spec, "capacity");
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
        validate_spec(&volume.at("spec"), volume.at("metadata").at("name").str(), &mut errors);
        errors
    }

    /// Upstream looks at the whole twice here, as its causes show.
    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return ErrorList::new();
        }
        let mut errors = self.validate(update.new);
        errors.extend(self.validate(update.new));
        let (new, old) = (At::root(update.new), At::root(update.old));
        validate_change(&new, &old, &mut errors);
        errors
    }

    /// `GetWarningsForPersistentVolume`
    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut warnings = Vec::new();
        let volume = At::root(new);
        warn_of_beta_class(&volume, &mut warnings);
        let spec = volume.at("spec");
        let policy = spec.at("persistentVolumeReclaimPolicy");
        if policy.str() == "Recycle" {
            let why = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.";
            warnings.push(format!("{}: {why}", policy.path()));
        }
        let affinity = spec.at("nodeAffinity");
        let required = affinity.at("required");
        required.at("nodeSelectorTerms").items().for_each(|term| warn_of_node_term(&term, &mut warnings));
        for (field, shown, why) in OLD_SOURCES {
            if spec.at(field).exists() {
                warnings.push(format!("{}: {why}", spec.at_as(field, shown).path()));
            }
        }
        warnings
    }
}

/// `ValidatePersistentVolumeSpec`
fn validate_spec(spec: &At, name: &str, errors: &mut ErrorList) {
    let (modes, policy) = (spec.at("accessModes"), spec.at("persistentVolumeReclaimPolicy"));
    if modes.is_empty() {
        errors.push(modes.required(""));
    }
    validate_access_modes(&modes, errors);
    validate_capacity(&spec.at("capacity"), errors);
    policy.one_of(errors, &["Delete", "Recycle", "Retain"]);
    let affinity = spec.at("nodeAffinity");
    if affinity.exists() && !affinity.at("required").exists() {
        errors.push(affinity.at("required").required("must specify required node constraints"));
    } else if affinity.exists() {
        validate_node_selector(&affinity.at("required"), errors);
    }
    source::validate_sources(spec, name, errors);
    let host = spec.at("hostPath");
    let is_root = host.exists() && is_root(host.at("path").str());
    if is_root && policy.str() == "Recycle" {
        errors.push(policy.forbidden("may not be 'recycle' for a hostPath mount of '/'"));
    }
    let class = spec.at("storageClassName");
    if !class.is_empty() {
        class.check(errors, names::dns1123_subdomain);
    }
    spec.at("volumeMode").one_of(errors, &VOLUME_MODES);
    let attributes = spec.at("volumeAttributesClassName");
    if !attributes.exists() {
        return;
    }
    if attributes.is_empty() {
        errors.push(attributes.required("an empty string is disallowed"));
    } else {
        attributes.check(errors, names::dns1123_subdomain);
    }
    if !spec.at("csi").exists() {
        errors.push(spec.at("csi").required("has to be specified when using volumeAttributesClassName"));
    }
}

/// The same of a volume that only an attachment speaks of.
pub(super) fn validate_inline_volume(spec: &At, errors: &mut ErrorList) {
    const CONTEXT: &str = "in the context of inline volumes";
    for field in ["claimRef", "capacity"] {
        if !spec.at(field).is_empty() {
            errors.push(spec.at(field).forbidden(format!("may not be specified {CONTEXT}")));
        }
    }
    if !spec.at("csi").exists() {
        errors.push(spec.at("csi").required("has to be specified in the context of inline volumes"));
    }
    let modes = spec.at("accessModes");
    if modes.is_empty() {
        errors.push(modes.required(""));
    }
    validate_access_modes(&modes, errors);
    let policy = spec.at("persistentVolumeReclaimPolicy");
    if !matches!(policy.str(), "" | "Retain") {
        errors.push(policy.forbidden(format!("may only be Retain {CONTEXT}")));
    }
    if spec.at("nodeAffinity").exists() {
        errors.push(spec.at("nodeAffinity").forbidden(format!("may not be specified {CONTEXT}")));
    }
    source::validate_sources(spec, "", errors);
    if !spec.at("storageClassName").is_empty() {
        errors.push(spec.at("storageClassName").forbidden(format!("may not be specified {CONTEXT}")));
    }
    let mode = spec.at("volumeMode");
    if mode.exists() && mode.str() != "Filesystem" {
        errors.push(mode.forbidden(format!("may not specify volumeMode other than Filesystem {CONTEXT}")));
    }
}

/// Whether Go's `path.Clean` makes this the root.
fn is_root(path: &str) -> bool {
    let mut depth = 0_usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            _ => depth += 1,
        }
    }
    path.starts_with('/') && depth == 0
}

/// `ValidatePersistentVolumeUpdate`: the source stays, but for a secret that is needed to grow; so does the place.
fn validate_change(new: &At, old: &At, errors: &mut ErrorList) {
    let (spec, old_spec) = (new.at("spec"), old.at("spec"));
    let (mut source, old_source) = (source::source_of(&spec), source::source_of(&old_spec));
    let had_secret = |source: &Value| source["csi"].get("controllerExpandSecretRef").is_some();
    if old_source["csi"].is_object()
        && !had_secret(&old_source)
        && let Some(csi) = source.get_mut("csi").and_then(Value::as_object_mut)
    {
        csi.remove("controllerExpandSecretRef");
    }
    if source != old_source {
        let change = diff_of(SPEC, &source::GO_NAMES, &old_source, &source);
        let detail = format!("spec.persistentvolumesource is immutable after creation\n{change}");
        errors.push(spec.at("persistentvolumesource").forbidden(detail));
    }
    let mode = new.elsewhere("volumeMode", spec.at("volumeMode").value());
    if mode.value() != old_spec.at("volumeMode").value() {
        errors.push(mode.invalid("field is immutable"));
    }
    let (affinity, old_affinity) = (spec.at("nodeAffinity"), old_spec.at("nodeAffinity"));
    if old_affinity.exists() && !is_same_place(affinity.value(), old_affinity.value()) {
        let at = new.elsewhere("nodeAffinity", affinity.value());
        let why = "field is immutable, except for updating from beta label to GA";
        errors.push(at.invalid_struct("io.k8s.api.core.v1.VolumeNodeAffinity", why));
    }
    let attributes = spec.at("volumeAttributesClassName");
    if old_spec.at("volumeAttributesClassName").exists() && !attributes.exists() {
        errors.push(attributes.forbidden("update from non-nil value to nil is forbidden"));
    }
}

/// `validatePvNodeAffinity`: labels of old may give way to what took their place.
fn is_same_place(new: Option<&Value>, old: Option<&Value>) -> bool {
    let (Some(new), Some(old)) = (new, old) else { return new == old };
    let mut new = new.clone();
    let keys = |affinity: &Value, term: usize, index: usize| {
        affinity["required"]["nodeSelectorTerms"][term]["matchExpressions"][index]["key"].as_str().map(str::to_owned)
    };
    let terms = new["required"]["nodeSelectorTerms"].as_array_mut().into_iter().flatten();
    for (at, term) in terms.enumerate() {
        let expressions = term.get_mut("matchExpressions").and_then(Value::as_array_mut).into_iter().flatten();
        for (index, expression) in expressions.enumerate() {
            let before = keys(old, at, index);
            let now = expression["key"].as_str();
            if let (Some(before), Some(now)) = (before, now)
                && new_label(&before) == Some(now)
            {
                expression["key"] = before.into();
            }
        }
    }
    new == *old
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
        if let Some(negative) = Amount::parse(amount.str()).filter(|amount| amount.is_negative()) {
            errors.push(amount.invalid_value(negative.value(), "must be a valid resource quantity"));
        }
        if Amount::parse(amount.str()).is_some_and(|a| a <= Amount::ZERO) {
            errors.push(amount.invalid("must be greater than zero"));
        }
    }
}
